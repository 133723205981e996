/* SPDX-License-Identifier: Apache-2.0 */
/* What this tool shows, read from libnvidia-ml.so.1 at once. */
#ifndef SMI_GPU_H
#define SMI_GPU_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_GPUS	16
#define MAX_PROCESSES	64

/* exit statuses that scripts know */
enum {
	EXIT_OK = 0,
	EXIT_USAGE = 2,		/* unknown option, field or device */
	EXIT_UNSUPPORTED = 3,	/* nothing that a virtual GPU has */
	EXIT_FAILED = 6,	/* a query failed, or there is no device */
	EXIT_NO_DRIVER = 9,
	EXIT_NO_LIBRARY = 12,
};

/* A number that the device may not tell. */
struct reading {
	bool known;
	unsigned long long value;
};

struct process {
	unsigned int pid;
	unsigned long long used;	/* bytes */
	char name[256];
};

struct gpu {
	unsigned int index;
	char name[96], uuid[96], bus_id[32];	/* 00000000:03:00.0 */
	unsigned int pci_domain, pci_bus, pci_device, pci_device_id, pci_subsystem_id;
	unsigned long long total, used, free, reserved;	/* bytes */
	struct reading utilization, memory_utilization;	/* percent */
	struct reading temperature;	/* degrees C */
	struct reading power, power_limit;	/* milliwatts */
	struct reading graphics_clock, sm_clock, memory_clock;	/* MHz, now */
	struct reading max_graphics_clock, max_sm_clock, max_memory_clock;
	struct reading fan;		/* percent */
	struct reading performance;	/* 0 is the fastest */
	struct reading persistence, display_active, display_mode, ecc, ecc_pending, mig;	/* 0 or 1 */
	struct reading compute_mode;
	struct reading ecc_errors;	/* uncorrected, since the last start */
	struct reading capability;	/* major * 16 + minor */
	unsigned int process_count;
	struct process processes[MAX_PROCESSES];
};

struct machine {
	char driver[80], nvml[80];
	int cuda;	/* 13000 */
	unsigned int gpu_count;
	struct gpu gpus[MAX_GPUS];
};

/* Loads the library and initialises it: EXIT_OK, or the status to end with, after a line on stderr. */
int library_open(void);
/* Reads everything anew; as library_open. */
int library_read(struct machine *machine);

#endif
