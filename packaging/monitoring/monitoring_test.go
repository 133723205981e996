package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// exposition is everything that mediatord can show.
const exposition = "../../mediatord/internal/metrics/testdata/exposition.golden"

type dashboard struct {
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			RefID string `json:"refId"`
			Expr  string
		}
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// promtool runs Debian's promtool (package prometheus).
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// shown are the names of mediatord's metrics.
func shown(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(exposition)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (\w+)`).FindAllStringSubmatch(string(text), -1) {
		names[match[1]] = true
	}
	if len(names) < 20 {
		t.Fatalf("%s shows %d metrics", exposition, len(names))
	}
	return names
}

// checkNames fails on metrics that mediatord does not show.
func checkNames(t *testing.T, where, expression string) {
	t.Helper()
	for _, name := range regexp.MustCompile(`\bvgpu_\w+`).FindAllString(expression, -1) {
		if !shown(t)[name] {
			t.Errorf("%s: mediatord shows no %s", where, name)
		}
	}
}

// Every expression of the dashboard becomes a recording rule, which Prometheus'
// own parser reads; Grafana's variables get values first.
func TestDashboardAsksWhatPrometheusUnderstands(t *testing.T) {
	d := readDashboard(t)
	variables := []string{"$__rate_interval", "5m"}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			variables = append(variables, "$"+v.Name, ".*")
			checkNames(t, "variable "+v.Name, string(v.Query))
		}
	}
	fill := strings.NewReplacer(variables...)
	rules := []string{}
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			expression := fill.Replace(target.Expr)
			if strings.Contains(expression, "$") {
				t.Errorf("panel %q uses a variable that does not exist: %s", p.Title, expression)
			}
			checkNames(t, "panel "+p.Title, expression)
			rules = append(rules, fmt.Sprintf("  - {record: 'panel:%d:%s', expr: %q}", p.ID, target.RefID, expression))
		}
	}
	if len(rules) < 15 {
		t.Fatalf("%d expressions", len(rules))
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte("groups:\n- name: dashboard\n  rules:\n"+strings.Join(rules, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

func TestDashboardIsLaidOut(t *testing.T) {
	ids := map[int]string{}
	taken := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		if other, again := ids[p.ID]; again || p.ID == 0 {
			t.Errorf("panels %q and %q are both number %d", other, p.Title, p.ID)
		}
		ids[p.ID] = p.Title
		g := p.GridPos
		if g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("panel %q lies at %+v", p.Title, g)
			continue
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, full := taken[[2]int{x, y}]; full {
					t.Fatalf("panels %q and %q overlap", other, p.Title)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	checkNames(t, "alerts.yml", string(text))
	tested, err := os.ReadFile("alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(string(tested), alert[1]) {
			t.Errorf("no test makes %s fire", alert[1])
		}
	}
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "test", "rules", "alerts_test.yml")
}

func TestTraceIsDrawn(t *testing.T) {
	out, err := exec.Command("./draw-trace.py", "../../mediatord/internal/trace/testdata/trace.json", "0", "17").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{">web<", ">train<", `fill-opacity="1"`, `fill-opacity="0.25"`, "</svg>"} {
		if !strings.Contains(string(out), part) {
			t.Errorf("%s is not in\n%s", part, out)
		}
	}
}
