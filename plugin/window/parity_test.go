package window

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const header = "../../guest/include/vgpu_layout.h"

// goValues are the constants of layout.go under their names in the C header.
func goValues() map[string]uint64 {
	return map[string]uint64{
		"MAGIC": Magic, "LAYOUT_VERSION": uint64(LayoutVersion),
		"HDR_MAGIC": HdrMagic, "HDR_VERSION": HdrVersion, "HDR_FEATURES": HdrFeatures,
		"HDR_WINDOW_SIZE": HdrWindowSize, "HDR_CHANNEL_COUNT": HdrChannelCount,
		"HDR_CHANNEL_SIZE": HdrChannelSize, "HDR_CHANNELS": HdrChannels, "HDR_ARENA": HdrArena,
		"HDR_CHUNK_COUNT": HdrChunkCount, "HDR_CHUNK_SIZE": HdrChunkSize, "HDR_CONTROL": HdrControl,
		"HDR_CHUNK_TABLE": HdrChunkTable, "HDR_DESCRIPTION": HdrDescription,
		"HDR_DESCRIPTION_SIZE": HdrDescriptionSize,
		"MAX_CHANNELS":         MaxChannels, "CHUNK_SIZE": ChunkSize, "DESCRIPTION_SIZE": DescriptionSize,
		"CTL_ENTRY_SIZE": CtlEntrySize, "CTL_GUEST_STATE": CtlGuestState,
		"CTL_GUEST_GENERATION": CtlGuestGeneration, "CTL_PID": CtlPID, "CTL_UID": CtlUID,
		"CTL_COMM": CtlComm, "CTL_HOST_STATE": CtlHostState, "CTL_HOST_GENERATION": CtlHostGeneration,
		"GUEST_FREE": uint64(GuestFree), "GUEST_OPEN": uint64(GuestOpen),
		"GUEST_START": uint64(GuestStart), "GUEST_CLOSED": uint64(GuestClosed),
		"HOST_FREE": uint64(HostFree), "HOST_STARTING": uint64(HostStarting),
		"HOST_READY": uint64(HostReady), "HOST_FAILED": uint64(HostFailed),
		"CHUNK_OWNER_MASK": uint64(ChunkOwnerMask), "CHUNK_RETURNED": uint64(ChunkReturned),
		"CHANNEL_SIZE": ChannelSize, "CH_HEAD": ChHead, "CH_TAIL": ChTail, "CH_SLEEPING": ChSleeping,
		"CH_STATE": ChState, "CH_FAILURE": ChFailure, "CH_STICKY": ChSticky, "CH_ASYNC": ChAsync,
		"CH_PRINTS": ChPrints, "CH_PRINTED": ChPrinted, "CH_CALLED": ChCalled, "CH_CALL": ChCall,
		"CH_CALL_STATUS": ChCallStatus, "CH_RETURNED": ChReturned,
		"CH_ASYNC_OPCODE": ChAsyncOpcode, "CH_MESSAGE": ChMessage, "CH_MESSAGE_SIZE": ChMessageSize,
		"CH_FENCES": ChFences, "FENCE_COUNT": FenceCount, "CH_REPLIES": ChReplies,
		"REPLY_COUNT": ReplyCount, "REPLY_SIZE": ReplySize, "CH_RING": ChRing, "RING_SIZE": RingSize,
		"LINE": Line, "REC_SIZE": RecSize, "REC_OPCODE": RecOpcode, "REC_REPLY": RecReply,
		"REC_SEQ": RecSeq, "REC_THREAD": RecThread, "REC_CTX": RecCtx, "REC_RESERVED": RecReserved,
		"REC_PAYLOAD": RecPayload, "REC_MAX": RecMax, "NO_REPLY": NoReply,
		"REP_SEQ": RepSeq, "REP_RESULT": RepResult, "REP_LENGTH": RepLength, "REP_DATA": RepData,
		"REP_DATA_MAX": RepDataMax,
		"DEVICE_BASE":  DeviceBase, "DEVICE_SIZE": DeviceSize, "PINNED_BASE": PinnedBase, "PINNED_SIZE": PinnedSize,
		"TAKEN_DEVICE": TakenDevice, "TAKEN_PINNED": TakenPinned,
		"VECTOR_CONTROL": VectorControl, "PEER_HOST": PeerHost, "PEER_GUEST": PeerGuest,
		"DESC_VERSION": DescVersion, "DESC_ATTRIBUTES": DescAttributes, "DESC_PROCESSES": DescProcesses,
		"DESC_LOOKS": DescLooks, "LOOKS_RESTING": LooksResting,
	}
}

// headerNames are the names that the C header defines.
func headerNames(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(header)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^#define VGPU_(\w+)[ \t]+\S`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	if len(names) < 60 {
		t.Fatalf("found only %d definitions in %s", len(names), header)
	}
	return names
}

func runC(t *testing.T, body string) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("needs gcc")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "print.c")
	path, err := filepath.Abs(header)
	if err != nil {
		t.Fatal(err)
	}
	program := fmt.Sprintf("#include <stddef.h>\n#include <stdio.h>\n#include %q\nint main(void)\n{\n%s\treturn 0;\n}\n", path, body)
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "print")
	if out, err := exec.Command(gcc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	out, err := exec.Command(binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestConstantsEqualTheHeader(t *testing.T) {
	names, values := headerNames(t), goValues()
	var body strings.Builder
	for _, name := range names {
		fmt.Fprintf(&body, "\tprintf(\"%s %%llu\\n\", (unsigned long long)VGPU_%s);\n", name, name)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(runC(t, body.String())) {
		var name string
		var want uint64
		if _, err := fmt.Sscan(line, &name, &want); err != nil {
			t.Fatal(err)
		}
		seen[name] = true
		if got, ok := values[name]; !ok {
			t.Errorf("VGPU_%s has no constant in layout.go", name)
		} else if got != want {
			t.Errorf("VGPU_%s is %#x in C and %#x in Go", name, want, got)
		}
	}
	for name := range values {
		if !seen[name] {
			t.Errorf("%s is in layout.go and not in the header", name)
		}
	}
}

// cFields are the fields of struct vgpu_description beside wireDescription's.
var cFields = map[string]string{
	"Version": "version", "DeviceCount": "device_count", "DriverVersion": "driver_version",
	"Reserved0": "reserved0", "DriverString": "driver_string", "Name": "name", "UUID": "uuid",
	"TotalMemory": "total_memory", "UsedMemory": "used_memory", "PCIDomain": "pci_domain",
	"PCIBus": "pci_bus", "PCIDevice": "pci_device", "PCIDeviceID": "pci_device_id",
	"PCISubsystemID": "pci_subsystem_id", "Utilization": "utilization", "Temperature": "temperature",
	"PowerMilliwatts": "power_milliwatts", "VMMGranularity": "vmm_granularity", "Limits": "limits",
	"PriorityLowest": "priority_lowest", "PriorityHighest": "priority_highest",
	"AttributeMax": "attribute_max", "Attributes": "attributes",
}

func TestDescriptionHasTheLayoutOfTheStruct(t *testing.T) {
	var body strings.Builder
	body.WriteString("\tstruct vgpu_description d;\n\tprintf(\"sizeof %zu 0\\n\", sizeof(d));\n")
	wire := reflect.TypeFor[wireDescription]()
	for i := range wire.NumField() {
		name := wire.Field(i).Name
		fmt.Fprintf(&body, "\tprintf(\"%s %%zu %%zu\\n\", offsetof(struct vgpu_description, %s), sizeof(d.%s));\n",
			name, cFields[name], cFields[name])
	}
	offsets := map[string][2]int{}
	for line := range strings.Lines(runC(t, body.String())) {
		var name string
		var offset, size int
		if _, err := fmt.Sscan(line, &name, &offset, &size); err != nil {
			t.Fatal(err)
		}
		offsets[name] = [2]int{offset, size}
	}
	at := 0
	for i := range wire.NumField() {
		field := wire.Field(i)
		size := binary.Size(reflect.New(field.Type).Interface())
		if got := offsets[field.Name]; got != [2]int{at, size} {
			t.Errorf("%s: C has offset, size %v, Go encodes %v", field.Name, got, [2]int{at, size})
		}
		at += size
	}
	if got := offsets["sizeof"][0]; got != at {
		t.Errorf("the struct has %d bytes, Go encodes %d", got, at)
	}
	for name, offset := range map[string]int{
		"UsedMemory": descUsedMemory, "Utilization": descUtilization,
		"Temperature": descTemperature, "PowerMilliwatts": descPower,
	} {
		if offsets[name][0] != offset {
			t.Errorf("%s lies at %d, the live accessor writes %d", name, offsets[name][0], offset)
		}
	}
	if at > DescriptionSize {
		t.Errorf("%d bytes do not fit into %d", at, DescriptionSize)
	}
}
