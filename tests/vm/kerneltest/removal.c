// SPDX-License-Identifier: Apache-2.0
/* The device or the module goes and comes back. */
#include "kerneltest.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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
	refused(ioctl(fd, VGPU_IOC_LOOK), ENODEV);
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

const struct test_case removal_cases[] = {
	{ "unbind", case_unbind },
	{ "reload", case_reload },
	{ NULL, NULL },
};
