package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// three writes its second and third parameter where the first says.
const three = `.version 7.0
.target sm_70
.address_size 64
.visible .entry three(.param .u64 at, .param .u64 second, .param .u64 third)
{
	.reg .b64 %rd<4>;
	ld.param.u64 %rd1, [at];
	ld.param.u64 %rd2, [second];
	ld.param.u64 %rd3, [third];
	st.global.u64 [%rd1], %rd2;
	st.global.u64 [%rd1+8], %rd3;
	ret;
}
`

// A launch whose process sends fewer parameters than the kernel takes gets zeros for the
// others: not what an earlier launch had, nor anything of the executor's. So do kernels
// about which the process has never asked.
func TestParametersThatAreLeftOutAreZero(t *testing.T) {
	g, _ := launch(t)
	g.Must("primary_retain", 0)
	g.Context = 1
	upload(g, 1, three)
	g.Must("library_load", 1, 1, 0, "")
	g.Must("library_find", 1, 1, "three")
	g.Must("library_find", 2, 1, "three")
	g.Must("kernel_function", 1, 1)
	g.Must("mem_block", device, 2*mib)
	g.Own(0, 1)
	g.Must("map_pinned", hostVA, 0, 1, 0)
	g.Post("stream_create", 1, 1, 0)
	whole := binary.LittleEndian.AppendUint64(nil, device)
	whole = append(whole, bytes.Repeat([]byte{0xa5}, 16)...)
	empty := []byte{}
	for op, post := range map[string]func(parameters []byte){
		"launch":             func(p []byte) { g.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, p) },
		"launch_kernel":      func(p []byte) { g.Post("launch_kernel", 2, 1, 1, 1, 1, 1, 1, 0, 1, p) },
		"launch_cooperative": func(p []byte) { g.Post("launch_cooperative", 2, 1, 1, 1, 1, 1, 1, 1, 0, 1, p) },
		"launch_ex":          func(p []byte) { g.Post("launch_ex", 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, p) },
	} {
		for size := 8; size <= len(whole); size++ {
			post(whole)
			g.Post("fill", device, 0, 0x11, 1, 16, 1, 1)
			post(whole[:size])
			g.Post("copy_dtoh", hostVA, device, 16, 1)
			g.Must("ctx_synchronize")
			if r, _ := g.TakeAsync(); r != 0 {
				t.Fatalf("%s of %d bytes: result %d", op, size, r)
			}
			want := append(bytes.Clone(whole[8:size]), make([]byte, len(whole)-size)...)
			if got := g.Window.ChunkMemory(0)[:16]; !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes: the kernel saw %x, want %x", op, size, got, want)
			}
		}
		post(empty)
		g.Must("ctx_synchronize")
		if r, _ := g.TakeAsync(); r != 1 {
			t.Errorf("%s without parameters: result %d", op, r)
		}
	}
}
