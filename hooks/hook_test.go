package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	vgpuxml "libvirt-vgpu/xml"
)

const testUUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"

const goodElement = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="gold" priority="high" memory="16GiB"/>`

// domainXML makes what libvirt sends on standard input.
func domainXML(element, devices string) string {
	return `<domain type='kvm' id='3'><name>web1</name><uuid>` + testUUID + `</uuid><metadata>` + element + `</metadata><devices>` + devices + `</devices></domain>`
}

func rightDevice(t testing.TB) string {
	t.Helper()
	text, err := vgpuxml.DeviceXML(testUUID, vgpuxml.DefaultChannels)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// everyOperation lists all of libvirt's, and one it does not have yet.
func everyOperation() []string {
	return []string{
		"prepare begin", "start begin", "started begin", "stopped end", "release end", "migrate begin", "restore begin",
		"reconnect begin", "attach begin", "future begin",
	}
}

// fakeMediator keeps its calls and answers with err after delay.
type fakeMediator struct {
	calls []string
	err   error
	delay time.Duration
}

func (m *fakeMediator) answer(ctx context.Context, name string, args ...string) error {
	m.calls = append(m.calls, name+" "+strings.Join(args, " "))
	select {
	case <-time.After(m.delay):
		return m.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *fakeMediator) Reserve(ctx context.Context, domainUUID, domainName, element, socketPath string) error {
	return m.answer(ctx, "Reserve", domainUUID, domainName, element, socketPath)
}
func (m *fakeMediator) Started(ctx context.Context, domainUUID string) error {
	return m.answer(ctx, "Started", domainUUID)
}
func (m *fakeMediator) Stopped(ctx context.Context, domainUUID string) error {
	return m.answer(ctx, "Stopped", domainUUID)
}
func (m *fakeMediator) Release(ctx context.Context, domainUUID string) error {
	return m.answer(ctx, "Release", domainUUID)
}
func (m *fakeMediator) Close() error { m.calls = append(m.calls, "Close "); return nil }

// runHook runs one operation in this process. A nil mediator is a bus that must not be touched.
func runHook(t *testing.T, mediator *fakeMediator, stdin io.Reader, operation string) (status int, stderr string) {
	t.Helper()
	var output bytes.Buffer
	hook := Hook{
		Connect: func(context.Context) (Mediator, error) {
			if mediator == nil {
				t.Errorf("%s touched D-Bus", operation)
				return nil, errors.New("no bus")
			}
			return mediator, nil
		},
		Stdin: stdin, Stderr: &output, Prepare: 200 * time.Millisecond, Other: 50 * time.Millisecond,
	}
	status = hook.Run(t.Context(), append([]string{"web1"}, append(strings.Fields(operation), "-")...))
	return status, output.String()
}

func TestDomainsWithoutElementAreLeftAlone(t *testing.T) {
	documents := map[string]string{
		"plain":            domainXML("", ""),
		"foreign metadata": domainXML(`<x:note xmlns:x="urn:x">about urn:libvirt-vgpu:1</x:note>`, ""),
		"nothing":          "",
		"malformed":        "<domain><name>web1</domain",
		"no XML":           "\x00\xff",
		"device of others": domainXML("", strings.Replace(rightDevice(t), "/run/vgpu/", "/run/other/", 1)),
	}
	for name, document := range documents {
		for _, operation := range everyOperation() {
			status, stderr := runHook(t, nil, strings.NewReader(document), operation)
			if status != 0 || stderr != "" {
				t.Errorf("%s of %s: exit %d, %q", operation, name, status, stderr)
			}
		}
	}
}

func TestDeviceWithoutElementDoesNotStart(t *testing.T) {
	for name, document := range map[string]string{
		"nothing of ours":  domainXML("", rightDevice(t)),
		"namespace in use": domainXML(`<x:note xmlns:x="urn:x">about urn:libvirt-vgpu:1</x:note>`, rightDevice(t)),
	} {
		for _, operation := range everyOperation() {
			status, stderr := runHook(t, nil, strings.NewReader(document), operation)
			if refused := operation == "prepare begin"; refused != (status == 1) || refused != strings.Contains(stderr, "vgpuctl detach web1\n") {
				t.Errorf("%s of %s: exit %d, %q", operation, name, status, stderr)
			}
		}
	}
}

func TestCallsOfEveryOperation(t *testing.T) {
	reserve := `Reserve ` + testUUID + ` web1 <vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="gold" priority="high" memory="16GiB" weight="100" window="1GiB"/> ` +
		`/run/vgpu/domain-` + testUUID + `/ivshmem.sock|Close `
	want := map[string]string{
		"prepare begin":   reserve,
		"started begin":   "Started " + testUUID + "|Close ",
		"stopped end":     "Stopped " + testUUID + "|Close ",
		"release end":     "Release " + testUUID + "|Close ",
		"reconnect begin": reserve,
	}
	for _, operation := range everyOperation() {
		mediator := &fakeMediator{}
		status, stderr := runHook(t, mediator, strings.NewReader(domainXML(goodElement, rightDevice(t))), operation)
		if calls := strings.Join(mediator.calls, "|"); calls != want[operation] {
			t.Errorf("%s calls %q, want %q", operation, calls, want[operation])
		}
		wantStatus, wantStderr := 0, ""
		if operation == "migrate begin" {
			wantStatus, wantStderr = 1, "vgpu: domain web1: a domain with a vGPU cannot be migrated while it runs; shut it down and start it on the other host\n"
		}
		if status != wantStatus || stderr != wantStderr {
			t.Errorf("%s: exit %d, %q", operation, status, stderr)
		}
	}
}

// TestExitStatusOfFailures holds the table of what each failure does to the domain.
func TestExitStatusOfFailures(t *testing.T) {
	byMediator := withRemedy("the pool gold does not exist", "create it")
	absent := errors.New("connection refused")
	cases := []struct {
		operation string
		failure   error
		status    int
	}{
		{"prepare begin", byMediator, 1},
		{"prepare begin", absent, 1},
		{"started begin", byMediator, 1},
		{"started begin", absent, 0},
		{"stopped end", absent, 1},
		{"release end", absent, 1},
		{"reconnect begin", byMediator, 0},
		{"reconnect begin", absent, 0},
	}
	for _, c := range cases {
		mediator := &fakeMediator{err: c.failure}
		status, stderr := runHook(t, mediator, strings.NewReader(domainXML(goodElement, rightDevice(t))), c.operation)
		if status != c.status {
			t.Errorf("%s failing with %v: exit %d, want %d", c.operation, c.failure, status, c.status)
		}
		if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.failure.Error()) {
			t.Errorf("%s failing with %v says %q", c.operation, c.failure, stderr)
		}
	}
}

func TestDeadlines(t *testing.T) {
	for operation, status := range map[string]int{"prepare begin": 1, "started begin": 0, "stopped end": 1, "release end": 1, "reconnect begin": 0} {
		t.Run(operation, func(t *testing.T) {
			start := time.Now()
			got, stderr := runHook(t, &fakeMediator{delay: time.Minute}, strings.NewReader(domainXML(goodElement, rightDevice(t))), operation)
			deadline := 50 * time.Millisecond
			if operation == "prepare begin" {
				deadline = 200 * time.Millisecond
			}
			if took := time.Since(start); took < deadline || took > deadline+5*time.Second {
				t.Errorf("took %v, deadline %v", took, deadline)
			}
			want := fmt.Sprintf("vgpu: domain web1: mediatord did not answer over D-Bus within %v; see journalctl -u mediatord\n", deadline)
			if got != status || stderr != want {
				t.Errorf("exit %d, %q", got, stderr)
			}
		})
	}
}

func TestBadElementWhileRunning(t *testing.T) {
	document := domainXML(`<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="NO"/>`, rightDevice(t))
	for operation, call := range map[string]string{"stopped end": "Stopped ", "release end": "Release ", "started begin": "Started "} {
		mediator := &fakeMediator{}
		status, stderr := runHook(t, mediator, strings.NewReader(document), operation)
		if status != 0 || len(mediator.calls) == 0 || mediator.calls[0] != call+testUUID {
			t.Errorf("%s: exit %d, %q, calls %q", operation, status, stderr, mediator.calls)
		}
	}
	if status, _ := runHook(t, nil, strings.NewReader(document), "reconnect begin"); status != 0 {
		t.Errorf("reconnect exits %d", status)
	}
}

// failingReader gives its text, then an error.
type failingReader struct{ text io.Reader }

func (r failingReader) Read(p []byte) (int, error) {
	n, err := r.text.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("input/output error")
	}
	return n, err
}

func TestBrokenStandardInput(t *testing.T) {
	status, stderr := runHook(t, nil, failingReader{strings.NewReader("<domain>")}, "prepare begin")
	if status != 0 || stderr != "" {
		t.Errorf("ordinary domain: exit %d, %q", status, stderr)
	}
	status, stderr = runHook(t, nil, failingReader{strings.NewReader(domainXML(goodElement, ""))}, "prepare begin")
	if status != 1 || !strings.Contains(stderr, "input/output error") {
		t.Errorf("vGPU domain: exit %d, %q", status, stderr)
	}
}

func TestUsage(t *testing.T) {
	var stderr bytes.Buffer
	hook := Hook{Stdin: strings.NewReader(""), Stderr: &stderr}
	if status := hook.Run(t.Context(), []string{"web1"}); status != 2 || !strings.Contains(stderr.String(), "usage") {
		t.Errorf("exit %d, %q", status, stderr.String())
	}
}

func TestLineIsOnePlainLine(t *testing.T) {
	line := refusal{reason: "one\ntwo\x1b[31m\ttäglich", remedy: strings.Repeat("ä", maxLine)}.line("web\n1")
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == '\ufffd' }) || len(line) > maxLine {
		t.Errorf("%d bytes: %q", len(line), line)
	}
	if !strings.HasPrefix(line, "vgpu: domain web 1: one two [31m täglich; ") {
		t.Errorf("got %q", line)
	}
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{"web1": "web1", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "-x": "'-x'", "$(x)": "'$(x)'"} {
		if got := shellQuote(word); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", word, got, want)
		}
	}
}
