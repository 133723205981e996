package system

import "testing"

func TestPage(t *testing.T) {
	p := parsePage("# Title\n```sh\nfirst\n```\n## A\ntext\n```text\nnot this\n```\n```sh\none\ntwo\n```\n## B\n```guest\nthree\n```\n")
	if text, err := p.take("A", 0); err != nil || text != "one\ntwo\n" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := p.take("A", 1); err == nil {
		t.Error("a block of another language was taken")
	}
	if left := p.untyped(); len(left) != 2 || left[1] != "B:\nthree\n" {
		t.Errorf("left are %q", left)
	}
}
