// SPDX-License-Identifier: Apache-2.0
/* The table without arguments, and the list of -L. Scripts read both by their columns. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "show.h"

#define RULE "+-----------------------------------------------------------------------------------------+\n"
#define PARTS "+-----------------------------------------+------------------------+----------------------+\n"

enum { NAME_WIDTH = 34 };	/* of a process; the end of a longer one says more */

const char *show_time(void)
{
	static char text[64];
	time_t now = time(NULL);
	struct tm local;

	strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", localtime_r(&now, &local));
	return text;
}

const char *show_compute_mode(struct reading mode)
{
	static const char *const names[] = { "Default", "Exclusive_Thread", "Prohibited", "Exclusive_Process" };

	return mode.known && mode.value < sizeof names / sizeof *names ? names[mode.value] : "N/A";
}

/* The number with what follows it, or N/A. */
static const char *cell(char *text, size_t size, struct reading reading, unsigned int divide, const char *unit)
{
	if (reading.known)
		snprintf(text, size, "%llu%s", reading.value / divide, unit);
	else
		snprintf(text, size, "N/A");
	return text;
}

static const char *on_off(struct reading reading)
{
	return !reading.known ? "N/A" : reading.value ? "On" : "Off";
}

static void gpu_rows(const struct gpu *gpu)
{
	char fan[32], heat[32], speed[32], power[32], limit[32], errors[32], usage[32], left[72], memory[64];

	if (gpu->performance.known)
		snprintf(speed, sizeof speed, "P%llu", gpu->performance.value);
	else
		snprintf(speed, sizeof speed, "N/A");
	cell(power, sizeof power, gpu->power, 1000, "W");
	cell(limit, sizeof limit, gpu->power_limit, 1000, "W");
	snprintf(left, sizeof left, "%s / %s", power, limit);
	snprintf(memory, sizeof memory, "%lluMiB / %lluMiB", MIB(gpu->used), MIB(gpu->total));
	printf("| %3u  %-24.24s %9s | %18s %3s | %20s |\n", gpu->index, gpu->name, on_off(gpu->persistence), gpu->bus_id,
	       on_off(gpu->display_active), cell(errors, sizeof errors, gpu->ecc_errors, 1, ""));
	printf("| %3s  %5s  %4s %22s | %22s | %8s  %10s |\n", cell(fan, sizeof fan, gpu->fan, 1, "%"),
	       cell(heat, sizeof heat, gpu->temperature, 1, "C"), speed, left, memory,
	       cell(usage, sizeof usage, gpu->utilization, 1, "%"), show_compute_mode(gpu->compute_mode));
	printf("| %39s | %22s | %20s |\n" PARTS, "", "", !gpu->mig.known ? "N/A" : gpu->mig.value ? "Enabled" : "Disabled");
}

static void process_rows(const struct machine *machine)
{
	unsigned int rows = 0;

	for (unsigned int i = 0; i < machine->gpu_count; i++) {
		const struct gpu *gpu = &machine->gpus[i];

		for (unsigned int j = 0; j < gpu->process_count; j++, rows++) {
			const struct process *process = &gpu->processes[j];
			size_t length = strlen(process->name);
			bool cut = length > NAME_WIDTH;
			char used[32];

			snprintf(used, sizeof used, "%lluMiB", MIB(process->used));
			printf("| %4u   N/A  N/A  %15u      C   %s%-*s %10s |\n", gpu->index, process->pid, cut ? "..." : "",
			       cut ? NAME_WIDTH - 3 : NAME_WIDTH, process->name + (cut ? length - (NAME_WIDTH - 3) : 0), used);
		}
	}
	if (!rows)
		printf("| %-87s |\n", " No running processes found");
}

void show_table(const struct machine *machine)
{
	char cuda[16];

	snprintf(cuda, sizeof cuda, "%d.%d", machine->cuda / 1000, machine->cuda % 1000 / 10);
	printf("%s\n" RULE, show_time());
	printf("| NVIDIA-SMI %-23.23sDriver Version: %-14.14s CUDA Version: %-9.9s|\n", machine->driver, machine->driver, cuda);
	printf(PARTS);
	printf("| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |\n");
	printf("| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |\n");
	printf("|                                         |                        |               MIG M. |\n");
	printf("|=========================================+========================+======================|\n");
	for (unsigned int i = 0; i < machine->gpu_count; i++)
		gpu_rows(&machine->gpus[i]);
	printf("\n" RULE);
	printf("| Processes:                                                                              |\n");
	printf("|  GPU   GI   CI              PID   Type   Process name                        GPU Memory |\n");
	printf("|        ID   ID                                                               Usage      |\n");
	printf("|=========================================================================================|\n");
	process_rows(machine);
	printf(RULE);
}

void show_list(const struct machine *machine)
{
	for (unsigned int i = 0; i < machine->gpu_count; i++)
		printf("GPU %u: %s (UUID: %s)\n", machine->gpus[i].index, machine->gpus[i].name, machine->gpus[i].uuid);
}
