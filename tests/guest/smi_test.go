package guest

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/plugin/window"
)

var updateGolden = flag.Bool("update", false, "write the golden files of nvidia-smi's output")

var times = regexp.MustCompile(`\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3}`)

// smi runs our nvidia-smi; times in its output are replaced by TIME.
func smi(t *testing.T, environment []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	folder := libraryFolder(t)
	cmd := exec.Command(filepath.Join(folder, "nvidia-smi"), args...)
	cmd.Env = append([]string{"LD_LIBRARY_PATH=" + folder, "TZ=UTC"}, environment...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return times.ReplaceAllString(out.String(), "TIME"), errs.String(), cmd.ProcessState.ExitCode()
}

func TestSMIPrintsWhatItPrinted(t *testing.T) {
	busy := startHost(t, testDescription(t))
	busy.window.SetUsedMemory(3 << 30)
	busy.window.SetSensors(97, 61, 512345)
	busy.window.SetUser(0, 1<<30-1, 2<<30) // numbers of no process
	busy.window.SetUser(5, 1<<30-2, 1<<30)
	idle := startHost(t, testDescription(t))
	idle.window.SetUsedMemory(0)
	idle.window.SetSensors(0, 0, 0)
	every := "index,name,uuid,pci.bus_id,driver_version,memory.total,memory.used,memory.free,utilization.gpu,temperature.gpu," +
		"power.draw,power.limit,compute_cap,compute_mode,clocks.max.sm,pstate,ecc.mode.current,mig.mode.current"
	for _, test := range []struct {
		golden string
		host   *host
		args   []string
	}{
		{"table-busy", busy, nil},
		{"table-idle", idle, nil},
		{"list", idle, []string{"-L"}},
		{"details-memory-utilization", busy, []string{"-q", "-d", "MEMORY,UTILIZATION"}},
		{"details-idle", idle, []string{"-q"}},
		{"details-busy", busy, []string{"-q"}},
		{"csv", busy, []string{"--query-gpu=" + every, "--format=csv"}},
		{"csv-idle", idle, []string{"--query-gpu=" + every, "--format=csv"}},
		{"csv-plain", busy, []string{"--query-gpu", "memory.used, memory.total", "--format", "csv,noheader,nounits"}},
		{"csv-time", busy, []string{"--query-gpu=timestamp,count", "--format=csv"}},
		{"csv-processes", busy, []string{"--query-compute-apps=pid,process_name,used_memory,gpu_uuid", "--format=csv"}},
		{"version", busy, []string{"--version"}},
		{"fields", busy, []string{"--help-query-gpu"}},
	} {
		t.Run(test.golden, func(t *testing.T) {
			out, errs, status := smi(t, test.host.environment(), test.args...)
			if status != 0 || errs != "" {
				t.Fatalf("status %d, stderr %q", status, errs)
			}
			name := filepath.Join("testdata", "smi", test.golden+".txt")
			if *updateGolden {
				if err := os.WriteFile(name, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if out != string(want) {
				t.Errorf("prints\n%swant\n%s", out, want)
			}
		})
	}
}

// A host that rests is asked for one look, and what it sees then is shown.
func TestSMIAsksAHostThatRests(t *testing.T) {
	h := startHost(t, testDescription(t))
	h.window.SetSensors(3, 30, 100000)
	h.window.SetUsedMemory(1 << 30)
	h.window.SetLooks(7, true)
	answer := func() {
		time.Sleep(time.Millisecond) // it comes after the question
		h.window.SetSensors(88, 66, 450000)
		h.window.SetUsedMemory(5 << 30)
		h.window.SetUser(2, 1<<30-1, 5<<30)
		h.window.SetLooks(8, false)
	}
	h.look.Store(&answer)
	for _, test := range []struct{ query, want string }{
		{"--query-gpu=utilization.gpu,temperature.gpu,power.draw,memory.used", "88 %, 66, 450.00 W, 5120 MiB\n"},
		{"--query-gpu=temperature.gpu", "66\n"},
		{"--query-gpu=power.draw", "450.00 W\n"},
		{"--query-gpu=memory.used", "5120 MiB\n"},
		{"--query-compute-apps=used_memory", "5120 MiB\n"},
	} {
		// The look may come too late on a machine that is busy with something else; then the next one asks again.
		for tries := 1; ; tries++ {
			h.window.SetSensors(3, 30, 100000)
			h.window.SetUsedMemory(1 << 30)
			h.window.SetUser(2, 0, 0)
			h.window.SetLooks(7, true)
			asked := h.looks.Load()
			out, errs, status := smi(t, h.environment(), test.query, "--format=csv,noheader")
			if status == 0 && out == test.want {
				break
			}
			if tries == 20 || h.looks.Load() != asked+1 {
				t.Fatalf("%s: status %d, %q, %q, want %q; %d looks", test.query, status, out, errs, test.want, h.looks.Load()-asked)
			}
		}
	}
	asked := h.looks.Load()
	if out, _, _ := smi(t, h.environment(), "--query-gpu=temperature.gpu", "--format=csv,noheader"); out != "66\n" || h.looks.Load() != asked {
		t.Errorf("a host that looks by itself is asked %d times; %q", h.looks.Load()-asked, out)
	}
}

// A host that does not answer costs one short wait, and what it saw last is shown.
func TestSMIWithAHostThatDoesNotAnswer(t *testing.T) {
	h := startHost(t, testDescription(t))
	h.window.SetSensors(3, 30, 100000)
	h.window.SetLooks(9, true)
	out, errs, status := smi(t, h.environment(), "-q")
	if status != 0 || !strings.Contains(out, "30 C") {
		t.Errorf("status %d, %q\n%s", status, errs, out)
	}
	if n := h.looks.Load(); n != 1 {
		t.Errorf("it is asked %d times by one process", n)
	}
	h.window.SetLooks(9, false)
	if smi(t, h.environment(), "-q"); h.looks.Load() != 1 {
		t.Error("a host that looks by itself is asked")
	}
}

func TestSMITableIsRectangular(t *testing.T) {
	h := startHost(t, testDescription(t))
	h.window.SetUsedMemory(1 << 50)
	h.window.SetSensors(100, 100, 999999)
	h.window.SetUser(0, uint32(os.Getpid()), 1<<40)
	out, _, _ := smi(t, h.environment())
	for i, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if i > 0 && line != "" && len(line) != 91 {
			t.Errorf("line %d has %d columns: %q", i, len(line), line)
		}
	}
	if !strings.Contains(out, "guest.test") {
		t.Error("the table does not name this process:\n" + out)
	}
}

func TestSMIPicksByIndexUUIDAndAddress(t *testing.T) {
	h := startHost(t, testDescription(t))
	for _, id := range []string{"0", "GPU-12345678-9abc-5def-8123-456789abcdef", "00000001:1B:02.0", "0001:1b:02.0", "0,0"} {
		if out, errs, status := smi(t, h.environment(), "-i", id, "-L"); status != 0 || strings.Count(out, "GPU 0:") != 1 {
			t.Errorf("-i %s: status %d, %q, %q", id, status, out, errs)
		}
	}
}

func TestSMISaysWhatIsWrong(t *testing.T) {
	h := startHost(t, testDescription(t))
	none := startHost(t, &window.Description{DriverVersion: 13000, DriverString: "580.159.04"})
	for _, test := range []struct {
		name   string
		env    []string
		args   []string
		status int
		says   string
	}{
		{"no vGPU", nil, nil, 9, "<vgpu:gpu>"},
		{"no session", []string{"VGPU_SOCKET=/nonexistent"}, nil, 9, "VGPU_SOCKET"},
		{"no device", none.environment(), nil, 6, "No devices were found"},
		{"no library", []string{"LD_LIBRARY_PATH=/nonexistent"}, nil, 12, "libvirt-vgpu-guest"},
		{"unknown option", h.environment(), []string{"--nonsense"}, 2, "--nonsense"},
		{"not for a virtual GPU", h.environment(), []string{"-pm", "1"}, 3, "-pm"},
		{"unknown field", h.environment(), []string{"--query-gpu=name,colour", "--format=csv"}, 2, `"colour"`},
		{"no field", h.environment(), []string{"--query-gpu=", "--format=csv"}, 2, "names no field"},
		{"no format", h.environment(), []string{"--query-gpu=name"}, 2, "--format=csv"},
		{"unknown format", h.environment(), []string{"--query-gpu=name", "--format=xml"}, 2, `"xml"`},
		{"format without csv", h.environment(), []string{"--query-gpu=name", "--format=noheader"}, 2, "csv"},
		{"format alone", h.environment(), []string{"--format=csv"}, 2, "--query-gpu"},
		{"unknown part", h.environment(), []string{"-q", "-d", "MEMORY,COLOUR"}, 2, "UTILIZATION"},
		{"part alone", h.environment(), []string{"-d", "MEMORY"}, 2, "-q"},
		{"unknown GPU", h.environment(), []string{"-i", "7"}, 6, `"7"`},
		{"nonsense as GPU", h.environment(), []string{"-i", "somewhere"}, 6, `"somewhere"`},
		{"bad time", h.environment(), []string{"-l", "soon"}, 2, `"soon"`},
		{"no time is five seconds", h.environment(), []string{"-l", "--nonsense"}, 2, "--nonsense"},
		{"missing value", h.environment(), []string{"-i"}, 2, "needs a value"},
	} {
		out, errs, status := smi(t, test.env, test.args...)
		if status != test.status || !strings.Contains(errs, test.says) || out != "" {
			t.Errorf("%s: status %d, want %d; stderr %q should say %q; stdout %q", test.name, status, test.status, errs, test.says, out)
		}
	}
}
