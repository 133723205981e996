// SPDX-License-Identifier: Apache-2.0
/* --query-gpu and --query-compute-apps. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "show.h"

/* What one line of output is about. */
struct subject {
	const struct machine *machine;
	const struct gpu *gpu;
	const struct process *process;
};

/* Writes a value without its unit; what is not known is "[N/A]". */
typedef void writer(const struct subject *subject, char *text, size_t size);

struct field {
	const char *name, *other;	/* two names for the same */
	const char *unit;
	writer *write;
};

static void put(char *text, size_t size, struct reading reading)
{
	if (reading.known)
		snprintf(text, size, "%llu", reading.value);
	else
		snprintf(text, size, "[N/A]");
}

static void put_switch(char *text, size_t size, struct reading reading)
{
	snprintf(text, size, "%s", !reading.known ? "[N/A]" : reading.value ? "Enabled" : "Disabled");
}

static void put_watts(char *text, size_t size, struct reading milliwatts)
{
	if (milliwatts.known)
		snprintf(text, size, "%.2f", (double)milliwatts.value / 1000);
	else
		snprintf(text, size, "[N/A]");
}

#define TEXT(name, format, ...) \
	static void name(const struct subject *s, char *text, size_t size) { snprintf(text, size, format, __VA_ARGS__); }
#define NUMBER(name, member) \
	static void name(const struct subject *s, char *text, size_t size) { put(text, size, s->gpu->member); }
#define SWITCH(name, member) \
	static void name(const struct subject *s, char *text, size_t size) { put_switch(text, size, s->gpu->member); }
#define WATTS(name, member) \
	static void name(const struct subject *s, char *text, size_t size) { put_watts(text, size, s->gpu->member); }

static void timestamp(const struct subject *s, char *text, size_t size)
{
	struct timespec now;
	struct tm local;
	char seconds[32];

	(void)s;
	clock_gettime(CLOCK_REALTIME, &now);
	strftime(seconds, sizeof seconds, "%Y/%m/%d %H:%M:%S", localtime_r(&now.tv_sec, &local));
	snprintf(text, size, "%s.%03ld", seconds, now.tv_nsec / 1000000);
}

static void capability(const struct subject *s, char *text, size_t size)
{
	if (s->gpu->capability.known)
		snprintf(text, size, "%llu.%llu", s->gpu->capability.value / 16, s->gpu->capability.value % 16);
	else
		snprintf(text, size, "[N/A]");
}

static void performance(const struct subject *s, char *text, size_t size)
{
	if (s->gpu->performance.known)
		snprintf(text, size, "P%llu", s->gpu->performance.value);
	else
		snprintf(text, size, "[N/A]");
}

TEXT(driver, "%s", s->machine->driver)
TEXT(count, "%u", s->machine->gpu_count)
TEXT(index_, "%u", s->gpu->index)
TEXT(name, "%s", s->gpu->name)
TEXT(uuid, "%s", s->gpu->uuid)
TEXT(bus_id, "%s", s->gpu->bus_id)
TEXT(domain, "0x%04X", s->gpu->pci_domain)
TEXT(bus, "0x%02X", s->gpu->pci_bus)
TEXT(device, "0x%02X", s->gpu->pci_device)
TEXT(device_id, "0x%08X", s->gpu->pci_device_id)
TEXT(subsystem_id, "0x%08X", s->gpu->pci_subsystem_id)
TEXT(total, "%llu", MIB(s->gpu->total))
TEXT(used, "%llu", MIB(s->gpu->used))
TEXT(free_, "%llu", MIB(s->gpu->free))
TEXT(reserved, "%llu", MIB(s->gpu->reserved))
TEXT(compute_mode, "%s", show_compute_mode(s->gpu->compute_mode))
TEXT(pid, "%u", s->process->pid)
TEXT(process_name, "%s", s->process->name)
TEXT(process_memory, "%llu", MIB(s->process->used))
NUMBER(utilization, utilization)
NUMBER(memory_utilization, memory_utilization)
NUMBER(temperature, temperature)
NUMBER(fan, fan)
NUMBER(graphics_clock, graphics_clock)
NUMBER(sm_clock, sm_clock)
NUMBER(memory_clock, memory_clock)
NUMBER(max_graphics_clock, max_graphics_clock)
NUMBER(max_sm_clock, max_sm_clock)
NUMBER(max_memory_clock, max_memory_clock)
NUMBER(ecc_errors, ecc_errors)
SWITCH(persistence, persistence)
SWITCH(display_mode, display_mode)
SWITCH(display_active, display_active)
SWITCH(ecc, ecc)
SWITCH(ecc_pending, ecc_pending)
SWITCH(mig, mig)
WATTS(power, power)
WATTS(power_limit, power_limit)

static const struct field gpu_fields[] = {
	{ "timestamp", NULL, "", timestamp },
	{ "driver_version", NULL, "", driver },
	{ "count", NULL, "", count },
	{ "index", NULL, "", index_ },
	{ "name", "gpu_name", "", name },
	{ "uuid", "gpu_uuid", "", uuid },
	{ "pci.bus_id", "gpu_bus_id", "", bus_id },
	{ "pci.domain", NULL, "", domain },
	{ "pci.bus", NULL, "", bus },
	{ "pci.device", NULL, "", device },
	{ "pci.device_id", NULL, "", device_id },
	{ "pci.sub_device_id", NULL, "", subsystem_id },
	{ "compute_cap", NULL, "", capability },
	{ "memory.total", NULL, "MiB", total },
	{ "memory.used", NULL, "MiB", used },
	{ "memory.free", NULL, "MiB", free_ },
	{ "memory.reserved", NULL, "MiB", reserved },
	{ "utilization.gpu", NULL, "%", utilization },
	{ "utilization.memory", NULL, "%", memory_utilization },
	{ "temperature.gpu", NULL, "", temperature },
	{ "power.draw", "power.draw.instant", "W", power },
	{ "power.limit", "enforced.power.limit", "W", power_limit },
	{ "clocks.current.graphics", "clocks.gr", "MHz", graphics_clock },
	{ "clocks.current.sm", "clocks.sm", "MHz", sm_clock },
	{ "clocks.current.memory", "clocks.mem", "MHz", memory_clock },
	{ "clocks.max.graphics", "clocks.max.gr", "MHz", max_graphics_clock },
	{ "clocks.max.sm", NULL, "MHz", max_sm_clock },
	{ "clocks.max.memory", "clocks.max.mem", "MHz", max_memory_clock },
	{ "fan.speed", NULL, "%", fan },
	{ "pstate", NULL, "", performance },
	{ "persistence_mode", NULL, "", persistence },
	{ "display_mode", NULL, "", display_mode },
	{ "display_active", NULL, "", display_active },
	{ "compute_mode", NULL, "", compute_mode },
	{ "ecc.mode.current", NULL, "", ecc },
	{ "ecc.mode.pending", NULL, "", ecc_pending },
	{ "ecc.errors.uncorrected.volatile.total", NULL, "", ecc_errors },
	{ "mig.mode.current", NULL, "", mig },
	{ NULL, NULL, NULL, NULL },
};

static const struct field process_fields[] = {
	{ "timestamp", NULL, "", timestamp },
	{ "gpu_name", NULL, "", name },
	{ "gpu_bus_id", NULL, "", bus_id },
	{ "gpu_uuid", NULL, "", uuid },
	{ "pid", NULL, "", pid },
	{ "process_name", "name", "", process_name },
	{ "used_gpu_memory", "used_memory", "MiB", process_memory },
	{ NULL, NULL, NULL, NULL },
};

static const struct field *find(const struct field *fields, const char *name, size_t length)
{
	for (; fields->name; fields++)
		if ((strlen(fields->name) == length && !memcmp(fields->name, name, length)) ||
		    (fields->other && strlen(fields->other) == length && !memcmp(fields->other, name, length)))
			return fields;
	return NULL;
}

/* The next name of a list with commas, spaces around it left out; false at its end. */
static bool next(const char **names, const char **name, size_t *length)
{
	const char *end;

	if (!**names)
		return false;
	end = *names + strcspn(*names, ",");
	*name = *names + strspn(*names, " ");
	*names = end + (*end == ',');
	while (end > *name && end[-1] == ' ')
		end--;
	*length = end > *name ? (size_t)(end - *name) : 0;
	return true;
}

static int check(const struct field *fields, const char *names, const char *option)
{
	const char *name;
	size_t length;

	if (!*names) {
		fprintf(stderr, "nvidia-smi: %s names no field; nvidia-smi --help-query-gpu lists them\n", option);
		return EXIT_USAGE;
	}
	while (next(&names, &name, &length))
		if (!find(fields, name, length)) {
			fprintf(stderr, "Field \"%.*s\" is not a valid field to query.\n\nnvidia-smi --help-query-gpu lists those that are.\n",
				(int)length, name);
			return EXIT_USAGE;
		}
	return EXIT_OK;
}

int csv_check_gpus(const struct csv *csv)
{
	return check(gpu_fields, csv->fields, "--query-gpu");
}

int csv_check_processes(const struct csv *csv)
{
	return check(process_fields, csv->fields, "--query-compute-apps");
}

static void header(const struct field *fields, const struct csv *csv)
{
	const char *names = csv->fields, *name;
	size_t length;

	for (const char *comma = ""; csv->header && next(&names, &name, &length); comma = ", ") {
		const char *unit = find(fields, name, length)->unit;

		printf("%s%.*s", comma, (int)length, name);
		if (*unit)
			printf(" [%s]", unit);
	}
	if (csv->header)
		printf("\n");
}

static void row(const struct field *fields, const struct csv *csv, const struct subject *subject)
{
	const char *names = csv->fields, *name;
	char text[320];
	size_t length;

	for (const char *comma = ""; next(&names, &name, &length); comma = ", ") {
		const struct field *field = find(fields, name, length);

		field->write(subject, text, sizeof text);
		printf("%s%s", comma, text);
		if (csv->units && *field->unit && text[0] != '[')
			printf(" %s", field->unit);
	}
	printf("\n");
}

void csv_gpus(const struct machine *machine, const struct csv *csv)
{
	header(gpu_fields, csv);
	for (unsigned int i = 0; i < machine->gpu_count; i++)
		row(gpu_fields, csv, &(struct subject){ machine, &machine->gpus[i], NULL });
}

void csv_processes(const struct machine *machine, const struct csv *csv)
{
	header(process_fields, csv);
	for (unsigned int i = 0; i < machine->gpu_count; i++)
		for (unsigned int j = 0; j < machine->gpus[i].process_count; j++)
			row(process_fields, csv, &(struct subject){ machine, &machine->gpus[i], &machine->gpus[i].processes[j] });
}

static void list(const char *title, const struct field *fields)
{
	printf("%s\n", title);
	for (; fields->name; fields++)
		printf("    %s%s%s\n", fields->name, fields->other ? " or " : "", fields->other ? fields->other : "");
}

void csv_help(void)
{
	list("Fields of --query-gpu:", gpu_fields);
	list("Fields of --query-compute-apps:", process_fields);
}
