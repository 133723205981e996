// SPDX-License-Identifier: Apache-2.0
/* -q: everything, or the parts named with -d. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "show.h"

static const struct {
	const char *name;
	int part;
} parts_by_name[] = {
	{ "MEMORY", PART_MEMORY }, { "UTILIZATION", PART_UTILIZATION }, { "TEMPERATURE", PART_TEMPERATURE },
	{ "POWER", PART_POWER }, { "CLOCK", PART_CLOCK }, { "COMPUTE", PART_COMPUTE }, { "PIDS", PART_PIDS }, { "ECC", PART_ECC },
};

int show_parts(const char *names)
{
	int parts = 0;

	while (*names) {
		size_t length = strcspn(names, ","), i;

		for (i = 0; i < sizeof parts_by_name / sizeof *parts_by_name; i++)
			if (strlen(parts_by_name[i].name) == length && !strncasecmp(parts_by_name[i].name, names, length))
				break;
		if (i == sizeof parts_by_name / sizeof *parts_by_name) {
			fprintf(stderr, "nvidia-smi: \"%.*s\" is nothing that -d can show; it knows", (int)length, names);
			for (i = 0; i < sizeof parts_by_name / sizeof *parts_by_name; i++)
				fprintf(stderr, "%s %s", i ? "," : "", parts_by_name[i].name);
			fprintf(stderr, "\n");
			return -1;
		}
		parts |= parts_by_name[i].part;
		names += length + (names[length] == ',');
	}
	return parts;
}

static void line(int depth, const char *name, const char *value)
{
	printf("%*s%-*s: %s\n", 4 * depth, "", 55 - 4 * depth, name, value);
}

static void number(int depth, const char *name, struct reading reading, const char *unit)
{
	char text[48] = "N/A";

	if (reading.known)
		snprintf(text, sizeof text, "%llu%s%s", reading.value, *unit ? " " : "", unit);
	line(depth, name, text);
}

static void mebibytes(const char *name, unsigned long long bytes)
{
	number(2, name, (struct reading){ true, MIB(bytes) }, "MiB");
}

static void watts(const char *name, struct reading milliwatts)
{
	char text[32] = "N/A";

	if (milliwatts.known)
		snprintf(text, sizeof text, "%.2f W", (double)milliwatts.value / 1000);
	line(2, name, text);
}

static void switched(int depth, const char *name, struct reading reading)
{
	line(depth, name, !reading.known ? "N/A" : reading.value ? "Enabled" : "Disabled");
}

static void identity(const struct gpu *gpu)
{
	char text[32];

	line(1, "Product Name", gpu->name);
	switched(1, "Display Mode", gpu->display_mode);
	switched(1, "Display Active", gpu->display_active);
	switched(1, "Persistence Mode", gpu->persistence);
	printf("    MIG Mode\n");
	switched(2, "Current", gpu->mig);
	line(1, "GPU UUID", gpu->uuid);
	printf("    PCI\n");
	snprintf(text, sizeof text, "0x%02X", gpu->pci_bus);
	line(2, "Bus", text);
	snprintf(text, sizeof text, "0x%02X", gpu->pci_device);
	line(2, "Device", text);
	snprintf(text, sizeof text, "0x%04X", gpu->pci_domain);
	line(2, "Domain", text);
	snprintf(text, sizeof text, "0x%08X", gpu->pci_device_id);
	line(2, "Device Id", text);
	line(2, "Bus Id", gpu->bus_id);
	snprintf(text, sizeof text, "0x%08X", gpu->pci_subsystem_id);
	line(2, "Sub System Id", text);
	number(1, "Fan Speed", gpu->fan, "%");
}

static void clocks(const struct gpu *gpu)
{
	printf("    Clocks\n");
	number(2, "Graphics", gpu->graphics_clock, "MHz");
	number(2, "SM", gpu->sm_clock, "MHz");
	number(2, "Memory", gpu->memory_clock, "MHz");
	printf("    Max Clocks\n");
	number(2, "Graphics", gpu->max_graphics_clock, "MHz");
	number(2, "SM", gpu->max_sm_clock, "MHz");
	number(2, "Memory", gpu->max_memory_clock, "MHz");
}

static void processes(const struct gpu *gpu)
{
	char text[32];

	if (!gpu->process_count) {
		line(1, "Processes", "None");
		return;
	}
	printf("    Processes\n");
	for (unsigned int i = 0; i < gpu->process_count; i++) {
		snprintf(text, sizeof text, "%u", gpu->processes[i].pid);
		line(2, "Process ID", text);
		line(3, "Type", "C");
		line(3, "Name", gpu->processes[i].name);
		number(3, "Used GPU Memory", (struct reading){ true, MIB(gpu->processes[i].used) }, "MiB");
	}
}

static void one(const struct gpu *gpu, int parts)
{
	bool all = parts == 0;

	printf("GPU %s\n", gpu->bus_id);
	if (all)
		identity(gpu);
	if (all || parts & PART_MEMORY) {
		printf("    FB Memory Usage\n");
		mebibytes("Total", gpu->total);
		mebibytes("Reserved", gpu->reserved);
		mebibytes("Used", gpu->used);
		mebibytes("Free", gpu->free);
	}
	if (all || parts & PART_COMPUTE)
		line(1, "Compute Mode", show_compute_mode(gpu->compute_mode));
	if (all || parts & PART_UTILIZATION) {
		printf("    Utilization\n");
		number(2, "GPU", gpu->utilization, "%");
		number(2, "Memory", gpu->memory_utilization, "%");
	}
	if (all || parts & PART_ECC) {
		printf("    ECC Mode\n");
		switched(2, "Current", gpu->ecc);
		switched(2, "Pending", gpu->ecc_pending);
	}
	if (all || parts & PART_TEMPERATURE) {
		printf("    Temperature\n");
		number(2, "GPU Current Temp", gpu->temperature, "C");
	}
	if (all || parts & PART_POWER) {
		printf("    GPU Power Readings\n");
		watts("Instantaneous Power Draw", gpu->power);
		watts("Current Power Limit", gpu->power_limit);
	}
	if (all || parts & PART_CLOCK)
		clocks(gpu);
	if (all || parts & PART_PIDS)
		processes(gpu);
	printf("\n");
}

void show_details(const struct machine *machine, int parts)
{
	char text[16];

	printf("\n==============NVSMI LOG==============\n\n");
	line(0, "Timestamp", show_time());
	line(0, "Driver Version", machine->driver);
	snprintf(text, sizeof text, "%d.%d", machine->cuda / 1000, machine->cuda % 1000 / 10);
	line(0, "CUDA Version", text);
	printf("\n");
	snprintf(text, sizeof text, "%u", machine->gpu_count);
	line(0, "Attached GPUs", text);
	for (unsigned int i = 0; i < machine->gpu_count; i++)
		one(&machine->gpus[i], parts);
}
