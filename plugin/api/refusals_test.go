package api

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryRefusalHasItsReason(t *testing.T) {
	list, err := Refusals()
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, r := range list {
		if len(r.Functions) == 0 || r.Reason == "" {
			t.Errorf("%+v", r)
		}
		refused += len(r.Functions)
	}
	functions, err := Functions()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range functions {
		if f.Class == Refused {
			refused--
		}
	}
	if refused != 0 {
		t.Errorf("%d more reasons than refused functions", refused)
	}
}

func TestBadRefusals(t *testing.T) {
	functions := []Function{{Symbol: "cuOne", Class: Refused}, {Symbol: "cuOther", Class: Refused}, {Symbol: "cuThird", Class: Local}}
	list, err := refusals("# why\ncuO* : reason\n", functions)
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Functions, []string{"cuOne", "cuOther"}) {
		t.Errorf("%+v, %v", list, err)
	}
	for text, want := range map[string]string{
		"cuOne : reason":                      "no reason for cuOther",
		"cuO* : reason\ncuOne : another":      "has a reason already",
		"cu* : reason":                        "takes cuThird, which is local",
		"cuO* cuX* : reason":                  "takes no function",
		"cuO* reason":                         "want PATTERN",
		"cuO* : reason\n[ : not even pattern": "pattern",
	} {
		if _, err := refusals(text, functions); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want one about %q", text, err, want)
		}
	}
}
