// SPDX-License-Identifier: Apache-2.0
/* Who gets a channel, and what may be mapped of it. */
#include "kerneltest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void case_info(void)
{
	int fd = open_channel();
	struct vgpu_info info = info_of(fd);
	struct stat node;
	char path[128];

	check(info.layout_version == VGPU_LAYOUT_VERSION);
	check(info.window_size == 1ULL << 30);
	check(info.channel_size == VGPU_CHANNEL_SIZE);
	check(info.chunk_size == VGPU_CHUNK_SIZE);
	check(info.description_size == VGPU_DESCRIPTION_SIZE);
	check(info.reserved == 0);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vgpu/%04x:%02x:%02x.%x", info.pci_domain,
		 info.pci_bus, info.pci_device, info.pci_function);
	check(access(path, F_OK) == 0);
	check(stat(device, &node) == 0 && (node.st_mode & 07777) == 0660);
}

static void case_denied(void)
{
	refused(open(device, O_RDWR), EACCES);
}

/* Every channel can be open at once and not one more; closed ones come back. */
static void case_channels(void)
{
	int fds[VGPU_MAX_CHANNELS + 1];
	uint64_t seen = 0;
	int count = 0;

	for (;;) {
		int fd = open(device, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			break;
		check(count < VGPU_MAX_CHANNELS);
		fds[count++] = fd;
		check(!(seen & 1ULL << info_of(fd).channel));
		seen |= 1ULL << info_of(fd).channel;
		check(is_zero(map_channel(fd), VGPU_CHANNEL_SIZE));
	}
	check(errno == EBUSY);
	printf("%d channels\n", count);
	check(count == 8);
	refused(open(device, O_RDWR | O_NONBLOCK), EBUSY);
	/* a mapping holds its channel as the file does */
	close(fds[0]);
	refused(open(device, O_RDWR), EBUSY);
	exit(0);
}

/* A channel comes back only when the host has punched it, ring and all. */
static void case_reopen(void)
{
	for (int i = 0; i < 30; i++) {
		int fd = open_channel();
		volatile uint8_t *channel = map_channel(fd);

		check(is_zero(channel, VGPU_CHANNEL_SIZE));
		memset((void *)(channel + VGPU_CH_RING), 0xaa, VGPU_RING_SIZE);
		munmap((void *)channel, VGPU_CHANNEL_SIZE);
		close(fd);
	}
}

static void case_channel_mapping(void)
{
	int fd = open_channel(), other = open_channel();
	volatile uint8_t *channel = map_channel(fd), *again = map_channel(fd);
	volatile uint8_t *foreign = map_channel(other), *ring, *twice;
	void *place;

	check(info_of(fd).channel != info_of(other).channel);
	channel[VGPU_CH_RING + 5] = 0x5a;
	check(again[VGPU_CH_RING + 5] == 0x5a);
	check(foreign[VGPU_CH_RING + 5] == 0);

	/* the ring twice in a row */
	place = mmap(NULL, 2 * VGPU_RING_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(place != MAP_FAILED);
	ring = mmap(place, VGPU_RING_SIZE, RW, MAP_SHARED | MAP_FIXED, fd, VGPU_CH_RING);
	check(ring == place);
	twice = mmap(place + VGPU_RING_SIZE, VGPU_RING_SIZE, RW, MAP_SHARED | MAP_FIXED, fd, VGPU_CH_RING);
	check(twice == ring + VGPU_RING_SIZE);
	check(ring[5] == 0x5a && twice[5] == 0x5a);
	ring[VGPU_RING_SIZE] = 0x77;
	check(ring[0] == 0x77);

	/* a page in the middle, and the last */
	check(map(fd, PAGE, RW, VGPU_CH_FENCES) != MAP_FAILED);
	check(map(fd, PAGE, RW, VGPU_CHANNEL_SIZE - PAGE) != MAP_FAILED);
}

static void case_channel_mapping_bad(void)
{
	int fd = open_channel(), reader = open(device, O_RDONLY);
	volatile uint8_t *channel = map_channel(fd);

	refused(map(fd, PAGE, RW, VGPU_CHANNEL_SIZE), EINVAL);
	refused(map(fd, 2 * PAGE, RW, VGPU_CHANNEL_SIZE - PAGE), EINVAL);
	refused(map(fd, VGPU_CHANNEL_SIZE + PAGE, RW, 0), EINVAL);
	refused(map(fd, PAGE, RW, VGPU_MMAP_DESCRIPTION - PAGE), EINVAL);
	refused(map(fd, PAGE, RW, 1ULL << 45), EINVAL);
	refused(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), EINVAL);
	refused(map(fd, PAGE, RW | PROT_EXEC, 0), EACCES);
	refused(map(fd, PAGE, PROT_READ | PROT_EXEC, 0), EACCES);
	refused(mprotect((void *)channel, PAGE, PROT_READ | PROT_EXEC), EACCES);
	refused(mremap((void *)channel, VGPU_CHANNEL_SIZE, VGPU_CHANNEL_SIZE + PAGE, MREMAP_MAYMOVE), EFAULT);
	refused(madvise((void *)channel, PAGE, MADV_DOFORK), EINVAL);
	refused(madvise((void *)channel, PAGE, MADV_DODUMP), EINVAL);
	check(reader >= 0);
	refused(map(reader, PAGE, RW, 0), EACCES);
	check(map(reader, PAGE, PROT_READ, 0) != MAP_FAILED);
}

static void case_description(void)
{
	int fd = open_channel();
	volatile uint8_t *at = map(fd, VGPU_DESCRIPTION_SIZE, PROT_READ, VGPU_MMAP_DESCRIPTION);
	const struct vgpu_description *description = (const void *)at;

	check(at != MAP_FAILED);
	check(description->version == VGPU_DESC_VERSION);
	check(strcmp(description->name, "kernel test GPU") == 0);
	check(signal_of(at, true) == SIGSEGV);
	refused(mprotect((void *)at, PAGE, RW), EACCES);
	refused(mprotect((void *)at, PAGE, PROT_READ | PROT_EXEC), EACCES);
	refused(map(fd, PAGE, RW, VGPU_MMAP_DESCRIPTION), EACCES);
	refused(map(fd, PAGE, PROT_WRITE, VGPU_MMAP_DESCRIPTION), EACCES);
	refused(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, VGPU_MMAP_DESCRIPTION), EINVAL);
	refused(map(fd, VGPU_DESCRIPTION_SIZE + PAGE, PROT_READ, VGPU_MMAP_DESCRIPTION), EINVAL);
	refused(map(fd, PAGE, PROT_READ, VGPU_MMAP_DESCRIPTION + VGPU_DESCRIPTION_SIZE), EINVAL);
}

static void case_ioctl_bad(void)
{
	int fd = open_channel();

	refused(ioctl(fd, _IO('V', 77)), ENOTTY);
	refused(ioctl(fd, _IO('W', 0)), ENOTTY);
	refused(ioctl(fd, VGPU_IOC_INFO, NULL), EFAULT);
	refused(lseek(fd, 1, SEEK_SET), ESPIPE);
	check(read(fd, &fd, 1) == -1 && write(fd, &fd, 1) == -1);
}

static void case_fork(void)
{
	int fd = open_channel(), go[2], status;
	volatile uint8_t *channel = map_channel(fd);
	uint32_t number = info_of(fd).channel;
	pid_t child;

	channel[VGPU_CH_FENCES] = 1;
	check(pipe(go) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		char byte;

		check(signal_of(channel, false) == SIGSEGV);
		check(read(go[0], &byte, 1) == 1);
		check(info_of(fd).channel == number);
		channel = map_channel(fd);
		check(channel[VGPU_CH_FENCES] == 1);
		_exit(0);
	}
	/* the child's file keeps the channel when the parent lets go */
	munmap((void *)channel, VGPU_CHANNEL_SIZE);
	close(fd);
	fd = open_channel();
	check(info_of(fd).channel != number);
	check(write(go[1], "x", 1) == 1);
	check(waitpid(child, &status, 0) == child && status == 0);
}

/* /proc/PID/mem and ptrace do not reach the window. */
static void case_procmem(void)
{
	int fd = open_channel(), mem = open("/proc/self/mem", O_RDWR);
	volatile uint8_t *channel = map_channel(fd);
	char byte = 1;

	check(mem >= 0);
	channel[0] = 0;
	refused(pread(mem, &byte, 1, (off_t)channel), EIO);
	refused(pwrite(mem, &byte, 1, (off_t)channel), EIO);
}

/* The kernel's own mapping, which gives ours their type, is write-back. */
static void case_cached(void)
{
	int fd = open_channel();
	struct vgpu_info info = info_of(fd);
	char path[128], line[256], want[64];
	unsigned long long start = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%04x:%02x:%02x.%x/resource", info.pci_domain,
		 info.pci_bus, info.pci_device, info.pci_function);
	file = fopen(path, "r");
	check(file);
	for (int i = 0; i < 3; i++)
		check(fscanf(file, "%llx %*x %*x", &start) == 1);
	fclose(file);
	snprintf(want, sizeof(want), "0x%016llx-", start);
	file = fopen("/sys/kernel/debug/x86/pat_memtype_list", "r");
	check(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, want)) {
			fputs(line, stdout);
			found = strstr(line, "write-back");
		}
	check(found);
}

const struct test_case channel_cases[] = {
	{ "info", case_info },
	{ "denied", case_denied },
	{ "channels", case_channels },
	{ "reopen", case_reopen },
	{ "channel-mapping", case_channel_mapping },
	{ "channel-mapping-bad", case_channel_mapping_bad },
	{ "description", case_description },
	{ "ioctl-bad", case_ioctl_bad },
	{ "fork", case_fork },
	{ "procmem", case_procmem },
	{ "cached", case_cached },
	{ NULL, NULL },
};
