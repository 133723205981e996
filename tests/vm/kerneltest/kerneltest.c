// SPDX-License-Identifier: Apache-2.0
/*
 * Exercises /dev/vgpu0 from inside a guest, one case per run. The host side is
 * kernel_test.go, which answers the requests that a case leaves in its channel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vgpu_layout.h"
#include "vgpu_uapi.h"

/* Requests to the host, in the first fence words of the channel. */
#define REQUEST VGPU_CH_FENCES
#define REQUEST_ARGUMENT (VGPU_CH_FENCES + 4)
#define REQUEST_INTERRUPT 1	/* raise the channel's interrupt */
#define REQUEST_FORGE_CHUNK 2	/* store 0 in the table entry of chunk ARGUMENT */
#define REQUEST_NOTHING 3	/* only the doorbell matters */

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)

static const char *device = "/dev/vgpu0";

static void fail(const char *file, int line, const char *format, ...)
{
	va_list args;
	int err = errno;

	fprintf(stderr, "%s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (errno %d, %s)\n", err, strerror(err));
	exit(1);
}

#define check(condition) \
	do { \
		if (!(condition)) \
			fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

/* The call must fail, and for this reason. */
#define refused(call, reason) \
	do { \
		errno = 0; \
		if ((long)(call) != -1L) \
			fail(__FILE__, __LINE__, "%s succeeded", #call); \
		if (errno != (reason)) \
			fail(__FILE__, __LINE__, "%s: wanted %s", #call, #reason); \
	} while (0)

static int open_channel(void)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

static struct vgpu_info info_of(int fd)
{
	struct vgpu_info info;

	memset(&info, 0xff, sizeof(info));
	check(ioctl(fd, VGPU_IOC_INFO, &info) == 0);
	return info;
}

static void *map(int fd, size_t size, int prot, uint64_t offset)
{
	return mmap(NULL, size, prot, MAP_SHARED, fd, offset);
}

static volatile uint8_t *map_channel(int fd)
{
	void *at = map(fd, VGPU_CHANNEL_SIZE, RW, VGPU_MMAP_CHANNEL);

	check(at != MAP_FAILED);
	return at;
}

static uint64_t alloc(int fd, uint32_t count)
{
	struct vgpu_chunks chunks = { .count = count };

	check(ioctl(fd, VGPU_IOC_ALLOC, &chunks) == 0);
	check(chunks.offset % VGPU_CHUNK_SIZE == 0);
	return chunks.offset;
}

static int alloc_ioctl(int fd, uint32_t count, uint32_t reserved)
{
	struct vgpu_chunks chunks = { .count = count, .reserved = reserved };

	return ioctl(fd, VGPU_IOC_ALLOC, &chunks);
}

static int free_ioctl(int fd, uint64_t offset, uint32_t count)
{
	struct vgpu_chunks chunks = { .count = count, .offset = offset };

	return ioctl(fd, VGPU_IOC_FREE, &chunks);
}

static volatile uint32_t *word(volatile uint8_t *channel, unsigned int offset)
{
	return (volatile uint32_t *)(channel + offset);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Rings the doorbell and waits until the host has done what was asked. */
static void ask_host(int fd, volatile uint8_t *channel, uint32_t request, uint32_t argument)
{
	double deadline = now() + 5;

	*word(channel, REQUEST_ARGUMENT) = argument;
	atomic_thread_fence(memory_order_release);
	*word(channel, REQUEST) = request;
	check(ioctl(fd, VGPU_IOC_RING) == 0);
	while (*word(channel, REQUEST)) {
		check(now() < deadline);
		usleep(1000);
	}
}

static sigjmp_buf jump;

static void on_signal(int number)
{
	siglongjmp(jump, number);
}

/* The signal that reading (or writing) one byte raises, 0 if none. */
static int signal_of(volatile uint8_t *at, bool write)
{
	struct sigaction action = { .sa_handler = on_signal };
	int number;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	number = sigsetjmp(jump, 1);
	if (number == 0) {
		if (write)
			*at = 1;
		else
			(void)*at;
	}
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return number;
}

static bool is_zero(const volatile uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i += 64)
		if (at[i])
			return false;
	return true;
}

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

static void case_chunks(void)
{
	int fd = open_channel(), other = open_channel();
	uint64_t one = alloc(fd, 1), three = alloc(fd, 3), theirs = alloc(other, 1);
	volatile uint8_t *a, *b;

	a = map(fd, VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + one);
	b = map(fd, 3 * VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + three);
	check(a != MAP_FAILED && b != MAP_FAILED);
	check(is_zero(a, VGPU_CHUNK_SIZE) && is_zero(b, 3 * VGPU_CHUNK_SIZE));
	a[0] = 1;
	b[3 * VGPU_CHUNK_SIZE - 1] = 2;
	b[VGPU_CHUNK_SIZE] = 3;
	check(*(volatile uint8_t *)map(fd, PAGE, PROT_READ, VGPU_MMAP_ARENA + three + VGPU_CHUNK_SIZE) == 3);

	/* somebody else's, nobody's, outside */
	refused(map(fd, VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + theirs), EACCES);
	refused(map(other, PAGE, RW, VGPU_MMAP_ARENA + three + VGPU_CHUNK_SIZE), EACCES);
	refused(map(fd, PAGE, RW, VGPU_MMAP_ARENA + theirs + VGPU_CHUNK_SIZE), EACCES);
	refused(map(fd, VGPU_CHUNK_SIZE + PAGE, RW, VGPU_MMAP_ARENA + theirs - VGPU_CHUNK_SIZE), EACCES);
	refused(map(fd, PAGE, RW, VGPU_MMAP_ARENA + (1ULL << 30)), EINVAL);
	refused(map(fd, PAGE, RW | PROT_EXEC, VGPU_MMAP_ARENA + one), EACCES);

	refused(alloc_ioctl(fd, 0, 0), EINVAL);
	refused(alloc_ioctl(fd, 1, 1), EINVAL);
	refused(alloc_ioctl(fd, 512, 0), ENOMEM);
	refused(alloc_ioctl(fd, UINT32_MAX, 0), ENOMEM);
	refused(ioctl(fd, VGPU_IOC_ALLOC, NULL), EFAULT);
}

static void case_free(void)
{
	int fd = open_channel(), other = open_channel();
	uint64_t at = alloc(fd, 4), theirs = alloc(other, 1), again;
	volatile uint8_t *memory = map(fd, 4 * VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + at);

	check(memory != MAP_FAILED);
	memset((void *)memory, 0xaa, 4 * VGPU_CHUNK_SIZE);

	refused(free_ioctl(fd, at + PAGE, 1), EINVAL);
	refused(free_ioctl(fd, at, 0), EINVAL);
	refused(free_ioctl(fd, at, 5), EINVAL);
	refused(free_ioctl(fd, theirs, 1), EINVAL);
	refused(free_ioctl(fd, 1ULL << 40, 1), EINVAL);
	refused(free_ioctl(fd, UINT64_MAX - VGPU_CHUNK_SIZE + 1, 1), EINVAL);
	refused(free_ioctl(fd, UINT64_MAX - VGPU_CHUNK_SIZE + 1, 2), EINVAL);
	refused(free_ioctl(fd, at, UINT32_MAX), EINVAL);
	refused(ioctl(fd, VGPU_IOC_FREE, NULL), EFAULT);
	check(memory[4 * VGPU_CHUNK_SIZE - 1] == 0xaa);

	/* the middle two go, their mapping with them; the outer two stay */
	check(free_ioctl(fd, at + VGPU_CHUNK_SIZE, 2) == 0);
	check(signal_of(memory + VGPU_CHUNK_SIZE, false) == SIGBUS);
	check(signal_of(memory + 3 * VGPU_CHUNK_SIZE - 1, true) == SIGBUS);
	check(memory[VGPU_CHUNK_SIZE - 1] == 0xaa && memory[3 * VGPU_CHUNK_SIZE] == 0xaa);
	refused(free_ioctl(fd, at + VGPU_CHUNK_SIZE, 1), EINVAL);

	/* handed out again only after the host has punched them */
	again = alloc(fd, 2);
	memory = map(fd, 2 * VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + again);
	check(memory != MAP_FAILED);
	check(is_zero(memory, 2 * VGPU_CHUNK_SIZE));
	check(free_ioctl(fd, at, 1) == 0);
}

static void case_exhaust(void)
{
	int fd = open_channel();
	volatile uint8_t *memory;
	uint64_t last = 0;
	int count = 0;

	for (struct vgpu_chunks chunks = { .count = 1 }; ioctl(fd, VGPU_IOC_ALLOC, &chunks) == 0; count++)
		last = chunks.offset;
	check(errno == ENOMEM);
	printf("%d chunks\n", count);
	check(count == 507);
	memory = map(fd, VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + last);
	check(memory != MAP_FAILED);
	memory[17] = 1;
	check(free_ioctl(fd, last, 1) == 0);
	check(alloc(fd, 1) == last);
	check(signal_of(memory + 17, false) == 0 && memory[17] == 0);
}

/* A host that stores 0 for a chunk in use must not make it free. */
static void case_forged_table(void)
{
	int fd = open_channel(), other = open_channel();
	volatile uint8_t *channel = map_channel(fd);
	uint64_t at = alloc(fd, 1);

	ask_host(fd, channel, REQUEST_FORGE_CHUNK, at / VGPU_CHUNK_SIZE);
	for (struct vgpu_chunks chunks = { .count = 1 }; ioctl(other, VGPU_IOC_ALLOC, &chunks) == 0;)
		check(chunks.offset != at);
	check(errno == ENOMEM);
	check(map(fd, PAGE, RW, VGPU_MMAP_ARENA + at) != MAP_FAILED);
	refused(map(other, PAGE, RW, VGPU_MMAP_ARENA + at), EACCES);
}

/* Asks for an executor and sleeps until the host says that it is there. */
static void start(int fd, volatile uint8_t *channel)
{
	struct vgpu_wait wait = { .timeout_us = 1000000 };

	check(ioctl(fd, VGPU_IOC_START) == 0);
	while (*word(channel, VGPU_CH_STATE) != VGPU_HOST_READY)
		check(ioctl(fd, VGPU_IOC_WAIT, &wait) == 0);
}

static void case_start(void)
{
	int fd = open_channel();
	volatile uint8_t *channel = map_channel(fd);

	check(*word(channel, VGPU_CH_STATE) == VGPU_HOST_FREE);
	start(fd, channel);
	check(ioctl(fd, VGPU_IOC_START) == 0);
}

static void on_alarm(int number)
{
	(void)number;
}

static void case_wait(void)
{
	int fd = open_channel();
	volatile uint8_t *channel = map_channel(fd);
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_value.tv_usec = 50000 };
	struct vgpu_wait wait = { 0 };
	double began;

	/* learn the count; it may have any value at first */
	wait.seen = -1;
	check(ioctl(fd, VGPU_IOC_WAIT, &wait) == 0);

	began = now();
	wait.timeout_us = 100000;
	refused(ioctl(fd, VGPU_IOC_WAIT, &wait), ETIMEDOUT);
	check(now() - began >= 0.1);
	began = now();
	wait.timeout_us = 0;
	refused(ioctl(fd, VGPU_IOC_WAIT, &wait), ETIMEDOUT);
	check(now() - began < 0.1);
	wait.timeout_us = 1000001;
	refused(ioctl(fd, VGPU_IOC_WAIT, &wait), EINVAL);
	refused(ioctl(fd, VGPU_IOC_WAIT, NULL), EFAULT);

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	wait.timeout_us = 1000000;
	began = now();
	refused(ioctl(fd, VGPU_IOC_WAIT, &wait), EINTR);
	check(now() - began < 0.9);

	/* the doorbell reaches the host, the interrupt comes back */
	for (int i = 0; i < 100; i++) {
		uint32_t seen = wait.seen;

		*word(channel, REQUEST) = REQUEST_INTERRUPT;
		check(ioctl(fd, VGPU_IOC_RING) == 0);
		check(ioctl(fd, VGPU_IOC_WAIT, &wait) == 0);
		check(wait.seen != seen);
		check(*word(channel, REQUEST) == 0);
	}
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

/* Ends by SIGKILL from outside, holding a channel and three chunks. */
static void case_hold(void)
{
	int fd;

	prctl(PR_SET_NAME, "holder");
	fd = open_channel();
	alloc(fd, 3);
	start(fd, map_channel(fd));
	printf("holding channel %u\n", info_of(fd).channel);
	fflush(stdout);
	for (;;)
		pause();
}

static void write_sysfs(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	check(fd >= 0);
	check(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void *wait_for_removal(void *arg)
{
	struct vgpu_wait wait = { .seen = -1 };
	int fd = *(int *)arg;

	while (ioctl(fd, VGPU_IOC_WAIT, &wait) == 0 || errno == ETIMEDOUT)
		wait.timeout_us = 1000000;
	check(errno == ENODEV);
	return NULL;
}

/* The device goes while it is open and comes back under another name. */
static void case_unbind(void)
{
	int fd = open_channel(), fresh;
	volatile uint8_t *channel = map_channel(fd), *chunk;
	struct vgpu_info info = info_of(fd);
	char address[32];
	pthread_t waiter;

	chunk = map(fd, VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + alloc(fd, 1));
	check(chunk != MAP_FAILED);
	chunk[0] = channel[0] = 1;
	snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", info.pci_domain, info.pci_bus, info.pci_device,
		 info.pci_function);
	check(pthread_create(&waiter, NULL, wait_for_removal, &fd) == 0);
	usleep(100000);

	write_sysfs("/sys/bus/pci/drivers/vgpu/unbind", address);
	check(pthread_join(waiter, NULL) == 0);
	check(signal_of(channel, true) == SIGBUS);
	check(signal_of(chunk, true) == SIGBUS);
	refused(ioctl(fd, VGPU_IOC_START), ENODEV);
	refused(ioctl(fd, VGPU_IOC_RING), ENODEV);
	refused(alloc_ioctl(fd, 1, 0), ENODEV);
	refused(free_ioctl(fd, 0, 1), ENODEV);
	refused(map(fd, PAGE, RW, 0), ENODEV);
	refused(open(device, O_RDWR), ENOENT);

	write_sysfs("/sys/bus/pci/drivers/vgpu/bind", address);
	device = "/dev/vgpu1";
	fresh = open_channel();
	channel = map_channel(fresh);
	ask_host(fresh, channel, REQUEST_NOTHING, 0);
	refused(ioctl(fd, VGPU_IOC_RING), ENODEV);
	close(fd);
}

#define STRESS_PROCESSES 4
#define STRESS_SECONDS 2

struct chunk_run {
	int fd;
	uint64_t offset;
	uint32_t count;
};

static void *free_soon(void *arg)
{
	struct chunk_run *run = arg;

	usleep(rand() % 300);
	check(free_ioctl(run->fd, run->offset, run->count) == 0);
	return NULL;
}

/* Takes chunks, which must be empty, and touches them while they are freed. */
static void stress_chunks(int fd)
{
	struct vgpu_chunks chunks = { .count = 1 + rand() % 3 };
	struct chunk_run run = { .fd = fd };
	volatile uint8_t *memory;
	pthread_t freer;
	size_t size;

	if (ioctl(fd, VGPU_IOC_ALLOC, &chunks) < 0) {
		check(errno == ENOMEM);
		return;
	}
	size = chunks.count * VGPU_CHUNK_SIZE;
	memory = map(fd, size, RW, VGPU_MMAP_ARENA + chunks.offset);
	check(memory != MAP_FAILED);
	for (size_t i = 0; i < size; i += 16 * PAGE) {
		check(memory[i] == 0);
		memory[i] = 0xee;
	}
	run.offset = chunks.offset;
	run.count = chunks.count;
	check(pthread_create(&freer, NULL, free_soon, &run) == 0);
	while (signal_of(memory + rand() % size, false) == 0)
		;
	check(pthread_join(freer, NULL) == 0);
	for (size_t i = 0; i < size; i += 16 * PAGE)
		check(signal_of(memory + i, true) == SIGBUS);
	munmap((void *)memory, size);
}

static void stress_process(unsigned int seed)
{
	srand(seed);
	for (;;) {
		int fd = open(device, O_RDWR | O_CLOEXEC);
		volatile uint8_t *channel;

		if (fd < 0) {
			check(errno == EBUSY);
			continue;
		}
		channel = map_channel(fd);
		check(channel[VGPU_CH_RING] == 0);
		channel[VGPU_CH_RING] = 0xee;
		if (rand() % 2)
			check(ioctl(fd, VGPU_IOC_START) == 0);
		for (int i = rand() % 4; i > 0; i--)
			stress_chunks(fd);
		if (rand() % 2)
			alloc(fd, 1);
		munmap((void *)channel, VGPU_CHANNEL_SIZE);
		close(fd);
	}
}

/* Many processes at once, killed at any moment. */
static void case_stress(void)
{
	pid_t children[STRESS_PROCESSES] = { 0 };
	double end = now() + STRESS_SECONDS;
	int kills = 0, status;

	while (now() < end) {
		int i = rand() % STRESS_PROCESSES;

		if (children[i]) {
			check(kill(children[i], SIGKILL) == 0);
			check(waitpid(children[i], &status, 0) == children[i]);
			check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
			kills++;
		}
		children[i] = fork();
		check(children[i] >= 0);
		if (children[i] == 0)
			stress_process(kills);
		usleep(rand() % 50000);
	}
	for (int i = 0; i < STRESS_PROCESSES; i++)
		if (children[i])
			kill(children[i], SIGKILL);
	while (waitpid(-1, &status, 0) > 0)
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	printf("%d processes\n", kills);
	check(kills > STRESS_PROCESSES);
}

/* The module can be replaced whenever nobody has the device open. */
static void case_reload(void)
{
	int module = open("/lib/modules/vgpu.ko", O_RDONLY), fd = open_channel();

	check(module >= 0);
	refused(syscall(SYS_delete_module, "vgpu", O_NONBLOCK), EAGAIN);
	close(fd);
	check(syscall(SYS_delete_module, "vgpu", O_NONBLOCK) == 0);
	refused(open(device, O_RDWR), ENOENT);
	check(syscall(SYS_finit_module, module, "", 0) == 0);
	fd = open_channel();
	ask_host(fd, map_channel(fd), REQUEST_NOTHING, 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "info", case_info },
	{ "denied", case_denied },
	{ "channels", case_channels },
	{ "reopen", case_reopen },
	{ "channel-mapping", case_channel_mapping },
	{ "channel-mapping-bad", case_channel_mapping_bad },
	{ "description", case_description },
	{ "chunks", case_chunks },
	{ "free", case_free },
	{ "exhaust", case_exhaust },
	{ "forged-table", case_forged_table },
	{ "start", case_start },
	{ "wait", case_wait },
	{ "ioctl-bad", case_ioctl_bad },
	{ "fork", case_fork },
	{ "procmem", case_procmem },
	{ "cached", case_cached },
	{ "hold", case_hold },
	{ "unbind", case_unbind },
	{ "stress", case_stress },
	{ "reload", case_reload },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		cases[i].run();
		return 0;
	}
	fprintf(stderr, "usage: kerneltest CASE\n");
	return 2;
}
