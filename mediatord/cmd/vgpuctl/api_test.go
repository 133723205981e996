package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

func runCommand(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(context.Background(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("vgpuctl %v: exit %d: %s", args, code, errs.String())
	}
	return out.String()
}

func TestAPIPrintsOneLinePerFunction(t *testing.T) {
	classes := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(runCommand(t, "api")), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			t.Fatalf("line %q: want FUNCTION CLASS", line)
		}
		classes[f[0]] = f[1]
	}
	for function, class := range map[string]string{"cuInit": "local", "cuLaunchKernel": "posted", "cuMemAlloc_v2": "replied", "cuEGLApiInit": "refused"} {
		if classes[function] != class {
			t.Errorf("%s is %q, want %s", function, classes[function], class)
		}
	}
}

func TestAPISummaryCountsEveryFunction(t *testing.T) {
	var summary struct {
		Functions, Carried int
		Classes            map[string]int
	}
	if err := json.Unmarshal([]byte(runCommand(t, "api", "--summary", "--json")), &summary); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range summary.Classes {
		sum += n
	}
	if sum != summary.Functions || summary.Carried != sum-summary.Classes["refused"]-summary.Classes["data"] {
		t.Errorf("summary does not add up: %+v", summary)
	}
}

func TestAPIRefusedGivesReasons(t *testing.T) {
	reasons := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(runCommand(t, "api", "--refused")), "\n") {
		function, reason, _ := strings.Cut(line, " ")
		reasons[function] = strings.TrimSpace(reason)
	}
	var groups []struct {
		Reason    string
		Functions []string
	}
	if err := json.Unmarshal([]byte(runCommand(t, "api", "--refused", "--json")), &groups); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range groups {
		for _, f := range g.Functions {
			if count++; reasons[f] != g.Reason || g.Reason == "" {
				t.Errorf("%s: reason %q, want %q", f, reasons[f], g.Reason)
			}
		}
	}
	if count != len(reasons) || reasons["cuGLInit"] == "" {
		t.Errorf("%d functions as JSON, %d as text", count, len(reasons))
	}
}
