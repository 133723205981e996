package api

import "testing"

func TestTablesParse(t *testing.T) {
	functions, err := Functions()
	if err != nil {
		t.Fatal(err)
	}
	ops, err := Ops()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Op{}
	for _, op := range ops {
		byName[op.Name] = op
	}
	seen := map[string]bool{}
	carried := 0
	for _, f := range functions {
		for _, s := range []string{f.Symbol, f.PerThread.Symbol} {
			if s != "" && seen[s] {
				t.Errorf("%s is listed twice", s)
			}
			seen[s] = true
		}
		if _, ok := byName[f.Op]; f.Op != "" && !ok {
			t.Errorf("%s: no op %q", f.Symbol, f.Op)
		}
		if f.Carried() {
			carried++
		}
	}
	t.Logf("%d functions, %d carried, %d ops", len(functions), carried, len(ops))
}

func TestLayoutIsNaturallyAligned(t *testing.T) {
	op := Op{Replied: true, Params: []Param{{Name: "a", Kind: "u32", Size: 4}, {Name: "b", Kind: "u64", Size: 8}, {Name: "c", Kind: "u32", Size: 4}, {Name: "o", Kind: "f32", Size: 4, Role: Out}}}
	fields, size := op.Layout(false)
	want := []int{0, 8, 16}
	for i, f := range fields {
		if f.Offset != want[i] {
			t.Errorf("field %s at %d, want %d", f.Name, f.Offset, want[i])
		}
	}
	if size != 24 {
		t.Errorf("size %d, want 24", size)
	}
	if fields, size := op.Layout(true); len(fields) != 1 || size != 8 {
		t.Errorf("reply layout %v, %d", fields, size)
	}
}

func TestBadParameters(t *testing.T) {
	for _, text := range []string{"u32", "u33 x", "new:u32 x", "out:banana x", "in:x y"} {
		if p, err := parseParam(text); err == nil {
			t.Errorf("%q accepted as %+v", text, p)
		}
	}
}
