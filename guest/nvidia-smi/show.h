/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's forms of output; all write to stdout. */
#ifndef SMI_SHOW_H
#define SMI_SHOW_H

#include "gpu.h"

#define MIB(bytes) ((unsigned long long)(bytes) >> 20)

/* "Sun Nov 22 01:02:03 2026" */
const char *show_time(void);
/* "Default", "Exclusive_Process", ... or "N/A" */
const char *show_compute_mode(struct reading mode);

void show_table(const struct machine *machine);
void show_list(const struct machine *machine);

/* parts of -q -d; 0 is all */
enum {
	PART_MEMORY = 1, PART_UTILIZATION = 2, PART_TEMPERATURE = 4, PART_POWER = 8, PART_CLOCK = 16, PART_COMPUTE = 32,
	PART_PIDS = 64, PART_ECC = 128,
};
/* Names with commas as a mask; -1 and a line on stderr when one is unknown. */
int show_parts(const char *names);
void show_details(const struct machine *machine, int parts);

struct csv {
	const char *fields;	/* names with commas */
	bool header, units;
};
/* EXIT_OK, or EXIT_USAGE after a line on stderr about a field. */
int csv_check_gpus(const struct csv *csv);
int csv_check_processes(const struct csv *csv);
void csv_gpus(const struct machine *machine, const struct csv *csv);
void csv_processes(const struct machine *machine, const struct csv *csv);
void csv_help(void);

#endif
