package hostproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMessageHasTheLayoutOfTheStruct lets gcc fill the C struct and decodes it.
func TestMessageHasTheLayoutOfTheStruct(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("needs gcc")
	}
	header, err := filepath.Abs("../../../guest/include/vgpu_socket.h")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "m.c"), filepath.Join(dir, "m")
	program := fmt.Sprintf(`#include <stdio.h>
#include %q
int main(void)
{
	struct vgpu_socket_message m = {VGPU_SOCKET_MAGIC, VGPU_SOCKET_FREE, -12, 3, 4, 5, 0x123456789abcdef0, 0xfedcba9876543210};
	int types[] = {VGPU_SOCKET_OPEN, VGPU_SOCKET_START, VGPU_SOCKET_ALLOC, VGPU_SOCKET_FREE, VGPU_SOCKET_HOLD, VGPU_SOCKET_LOOK};
	fwrite(&m, sizeof m, 1, stdout);
	for (int i = 0; i < 6; i++)
		putchar(types[i]);
	return 0;
}
`, header)
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gcc, "-std=c11", "-Wall", "-Werror", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	out, err := exec.Command(binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != MessageSize+6 {
		t.Fatalf("the struct has %d bytes, ours %d", len(out)-6, MessageSize)
	}
	want := Message{Type: TypeFree, Error: -12, LayoutVersion: 3, Channel: 4, Count: 5, Offset: 0x123456789abcdef0, Number: 0xfedcba9876543210}
	got, err := Decode(out[:MessageSize])
	if err != nil || got != want {
		t.Errorf("decoded %+v, %v", got, err)
	}
	if string(want.Encode()) != string(out[:MessageSize]) {
		t.Error("encoding differs from the struct")
	}
	if got, want := out[MessageSize:], []byte{byte(TypeOpen), byte(TypeStart), byte(TypeAlloc), byte(TypeFree), byte(TypeHold), byte(TypeLook)}; string(got) != string(want) {
		t.Errorf("types are %v in C, %v in Go", got, want)
	}
}
