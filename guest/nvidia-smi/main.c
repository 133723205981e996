// SPDX-License-Identifier: Apache-2.0
/*
 * nvidia-smi for guests without NVIDIA's: what scripts and people ask of it, answered by whatever libnvidia-ml.so.1 the
 * guest has. It shows and changes nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "show.h"

static const char usage[] =
	"nvidia-smi of libvirt-vgpu: shows this machine's virtual GPU\n"
	"\n"
	"    nvidia-smi                              a table\n"
	"    nvidia-smi -L                           one line a GPU, with its UUID\n"
	"    nvidia-smi -q [-d PART,...]             details; parts: MEMORY, UTILIZATION, TEMPERATURE, POWER, CLOCK, COMPUTE,\n"
	"                                            PIDS, ECC\n"
	"    nvidia-smi --query-gpu=FIELD,... --format=csv[,noheader][,nounits]\n"
	"    nvidia-smi --query-compute-apps=FIELD,... --format=csv[,noheader][,nounits]\n"
	"    nvidia-smi --help-query-gpu             lists the fields\n"
	"    nvidia-smi --version\n"
	"\n"
	"    -i, --id=GPU,...     only these: index, UUID or PCI address\n"
	"    -l, --loop=SECONDS   again and again, without a number every 5 seconds\n"
	"    -lms, --loop-ms=MS\n";

enum { USUAL_PAUSE_MS = 5000 }; /* NVIDIA's tool's */

enum form { TABLE, LIST, DETAILS, GPUS, PROCESSES, VERSION };

struct request {
	enum form form;
	int parts;
	struct csv csv;
	bool format_given;
	const char *ids;
	long pause_ms;	/* 0: once */
};

/* What NVIDIA's tool can do to a GPU, or show of one that is not shared. */
static const char *const beyond[] = {
	"-pm", "--persistence-mode", "-e", "--ecc-config", "-p", "--reset-ecc-errors", "-c", "--compute-mode", "-r", "--gpu-reset",
	"-ac", "--applications-clocks", "-rac", "-lgc", "--lock-gpu-clocks", "-rgc", "-lmc", "-rmc", "-pl", "--power-limit", "-mig",
	"--multi-instance-gpu", "-am", "--accounting-mode", "-x", "--xml-format", "topo", "nvlink", "mig", "vgpu", "dmon", "pmon", "daemon",
	"replay", "drain", "clocks", "encodersessions", "fbcsessions", "-u", "--unit", "-B", "--list-excluded-gpus", NULL,
};

static int complain(const char *option)
{
	for (const char *const *known = beyond; *known; known++)
		if (!strncmp(option, *known, strlen(*known)) && (!option[strlen(*known)] || option[strlen(*known)] == '=')) {
			fprintf(stderr, "nvidia-smi: %s: this tool shows a virtual GPU and neither changes it nor knows more of it than "
				"nvidia-smi -h lists\n", option);
			return EXIT_UNSUPPORTED;
		}
	fprintf(stderr, "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\nnvidia-smi: %s is no option of it\n", option);
	return EXIT_USAGE;
}

/* The value of an option, "--name=value" or the next argument; NULL when it is another option. */
static const char *value(char **argv, int *i, const char *brief, const char *full)
{
	size_t length = strlen(full);

	if (!strncmp(argv[*i], full, length) && argv[*i][length] == '=')
		return argv[*i] + length + 1;
	if (!strcmp(argv[*i], full) || (brief && !strcmp(argv[*i], brief))) {
		if (argv[*i + 1])
			return argv[++*i];
		fprintf(stderr, "nvidia-smi: %s needs a value\n", argv[*i]);
		exit(EXIT_USAGE);
	}
	return NULL;
}

static int parse_format(struct request *request, const char *words)
{
	bool csv = false;

	request->format_given = true;
	while (*words) {
		size_t length = strcspn(words, ",");

		if (length == 3 && !strncasecmp(words, "csv", 3))
			csv = true;
		else if (length == 8 && !strncasecmp(words, "noheader", 8))
			request->csv.header = false;
		else if (length == 7 && !strncasecmp(words, "nounits", 7))
			request->csv.units = false;
		else {
			fprintf(stderr, "nvidia-smi: --format knows csv, noheader and nounits, not \"%.*s\"\n", (int)length, words);
			return EXIT_USAGE;
		}
		words += length + (words[length] == ',');
	}
	if (csv)
		return EXIT_OK;
	fprintf(stderr, "nvidia-smi: --format must say csv\n");
	return EXIT_USAGE;
}

static int parse_pause(struct request *request, const char *text, long unit)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*end || number <= 0 || number > 1000000) {
		fprintf(stderr, "nvidia-smi: \"%s\" is no time to loop with\n", text);
		return EXIT_USAGE;
	}
	request->pause_ms = number * unit;
	return EXIT_OK;
}

/* EXIT_OK, or the status to end with; ends by itself after a help. */
static int parse(struct request *request, char **argv)
{
	int status = EXIT_OK;
	const char *text;

	for (int i = 1; argv[i] && !status; i++) {
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			fputs(usage, stdout);
			exit(EXIT_OK);
		} else if (!strcmp(argv[i], "--help-query-gpu") || !strcmp(argv[i], "--help-query-compute-apps")) {
			csv_help();
			exit(EXIT_OK);
		} else if (!strcmp(argv[i], "--version")) {
			request->form = VERSION;
		} else if (!strcmp(argv[i], "-L") || !strcmp(argv[i], "--list-gpus")) {
			request->form = LIST;
		} else if (!strcmp(argv[i], "-q") || !strcmp(argv[i], "--query")) {
			request->form = DETAILS;
		} else if ((text = value(argv, &i, "-d", "--display"))) {
			request->parts = show_parts(text);
			status = request->parts < 0 ? EXIT_USAGE : EXIT_OK;
		} else if ((text = value(argv, &i, NULL, "--query-gpu"))) {
			request->form = GPUS;
			request->csv.fields = text;
		} else if ((text = value(argv, &i, NULL, "--query-compute-apps"))) {
			request->form = PROCESSES;
			request->csv.fields = text;
		} else if ((text = value(argv, &i, NULL, "--format"))) {
			status = parse_format(request, text);
		} else if ((text = value(argv, &i, "-i", "--id"))) {
			request->ids = text;
		} else if ((text = value(argv, &i, "-lms", "--loop-ms"))) {
			status = parse_pause(request, text, 1);
		} else if ((!strcmp(argv[i], "-l") || !strcmp(argv[i], "--loop")) && (!argv[i + 1] || argv[i + 1][0] == '-')) {
			request->pause_ms = USUAL_PAUSE_MS;
		} else if ((text = value(argv, &i, "-l", "--loop"))) {
			status = parse_pause(request, text, 1000);
		} else {
			status = complain(argv[i]);
		}
	}
	return status;
}

static int check(const struct request *request)
{
	if (request->parts && request->form != DETAILS) {
		fprintf(stderr, "nvidia-smi: -d goes with -q\n");
		return EXIT_USAGE;
	}
	if (request->form != GPUS && request->form != PROCESSES) {
		if (request->format_given)
			fprintf(stderr, "nvidia-smi: --format goes with --query-gpu or --query-compute-apps\n");
		return request->format_given ? EXIT_USAGE : EXIT_OK;
	}
	if (!request->format_given) {
		fprintf(stderr, "nvidia-smi: --query-gpu and --query-compute-apps need --format=csv\n");
		return EXIT_USAGE;
	}
	return request->form == GPUS ? csv_check_gpus(&request->csv) : csv_check_processes(&request->csv);
}

/* A PCI address as programs write it: case and the domain's zeros do not matter. */
static bool same_address(const char *wanted, size_t length, const struct gpu *gpu)
{
	unsigned int domain = 0, bus, device, function = 0;
	char text[40];
	int end = 0;

	if (length >= sizeof text)
		return false;
	memcpy(text, wanted, length);
	text[length] = 0;
	if (sscanf(text, "%x:%x:%x%n.%x%n", &domain, &bus, &device, &end, &function, &end) < 3 || text[end]) {
		domain = end = 0;
		if (sscanf(text, "%x:%x.%x%n", &bus, &device, &function, &end) != 3 || text[end])
			return false;
	}
	return domain == gpu->pci_domain && bus == gpu->pci_bus && device == gpu->pci_device && function == 0;
}

static bool is(const struct gpu *gpu, const char *wanted, size_t length)
{
	char number[16];

	snprintf(number, sizeof number, "%u", gpu->index);
	return (strlen(number) == length && !memcmp(number, wanted, length)) ||
	       (strlen(gpu->uuid) == length && !strncasecmp(gpu->uuid, wanted, length)) || same_address(wanted, length, gpu);
}

/* Leaves the GPUs that were asked for. */
static int pick(struct machine *machine, const char *ids)
{
	bool keep[MAX_GPUS] = { false };
	unsigned int kept = 0;

	while (*ids) {
		size_t length = strcspn(ids, ",");
		bool found = false;

		for (unsigned int i = 0; i < machine->gpu_count; i++)
			if (is(&machine->gpus[i], ids, length))
				found = keep[i] = true;
		if (!found) {
			fprintf(stderr, "No devices were found: nvidia-smi -L does not list \"%.*s\"\n", (int)length, ids);
			return EXIT_FAILED;
		}
		ids += length + (ids[length] == ',');
	}
	for (unsigned int i = 0; i < machine->gpu_count; i++)
		if (keep[i] && kept++ != i)
			machine->gpus[kept - 1] = machine->gpus[i];
	machine->gpu_count = kept;
	return EXIT_OK;
}

static void show(const struct request *request, const struct machine *machine)
{
	switch (request->form) {
	case TABLE:
		show_table(machine);
		break;
	case LIST:
		show_list(machine);
		break;
	case DETAILS:
		show_details(machine, request->parts);
		break;
	case GPUS:
		csv_gpus(machine, &request->csv);
		break;
	case PROCESSES:
		csv_processes(machine, &request->csv);
		break;
	case VERSION:
		printf("NVIDIA-SMI version  : %s\nNVML version        : %s\nDRIVER version      : %s\nCUDA Version        : %d.%d\n", machine->driver,
		       machine->nvml, machine->driver, machine->cuda / 1000, machine->cuda % 1000 / 10);
		break;
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct request request = { .csv = { .header = true, .units = true } };
	static struct machine machine;
	int status;

	(void)argc;
	if ((status = parse(&request, argv)) || (status = check(&request)) || (status = library_open()))
		return status;
	for (;;) {
		status = library_read(&machine);
		if (!status && !machine.gpu_count && request.form != VERSION) {
			fprintf(stderr, "No devices were found\n");
			status = EXIT_FAILED;
		}
		if (!status && request.ids)
			status = pick(&machine, request.ids);
		if (status)
			return status;
		show(&request, &machine);
		if (!request.pause_ms)
			return EXIT_OK;
		request.csv.header = false;	/* once is enough */
		nanosleep(&(struct timespec){ request.pause_ms / 1000, request.pause_ms % 1000 * 1000000 }, NULL);
	}
}
