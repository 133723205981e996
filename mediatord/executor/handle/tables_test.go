package handle

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
)

func TestTablesKeepKindsApart(t *testing.T) {
	var tables Tables
	if _, ok := tables.Get(driver.KindStream, 0); ok {
		t.Error("an empty table has number 0")
	}
	tables.Put(driver.KindStream, 7, 99)
	if native, ok := tables.Get(driver.KindStream, 7); !ok || native != 99 {
		t.Errorf("got %d, %v", native, ok)
	}
	if _, ok := tables.Get(driver.KindEvent, 7); ok {
		t.Error("the stream is an event too")
	}
	if tables.Free(driver.KindStream, 7) || !tables.Free(driver.KindStream, 6) || tables.Free(driver.KindStream, Limit) || tables.Free(driver.KindStream, 1<<32-1) {
		t.Error("wrong free numbers")
	}
	tables.Delete(driver.KindStream, 7)
	tables.Delete(driver.KindStream, 1<<32-1)
	if _, ok := tables.Get(driver.KindStream, 7); ok {
		t.Error("deleted number is still there")
	}
}

func TestParametersEndWithTheHandle(t *testing.T) {
	var tables Tables
	tables.SetParameters(driver.KindKernel, 3, 8) // there is none
	tables.Put(driver.KindKernel, 3, 30)
	if _, known := tables.Parameters(driver.KindKernel, 3); known {
		t.Error("nobody has noted them")
	}
	for _, bytes := range []uint32{0, 4096} {
		tables.SetParameters(driver.KindKernel, 3, bytes)
		if got, known := tables.Parameters(driver.KindKernel, 3); got != bytes || !known {
			t.Errorf("%d bytes, %v, want %d", got, known, bytes)
		}
	}
	tables.Delete(driver.KindKernel, 3)
	tables.Put(driver.KindKernel, 3, 31)
	if _, known := tables.Parameters(driver.KindKernel, 3); known {
		t.Error("they are those of an earlier kernel")
	}
}

func TestDeleteTakesTheOwned(t *testing.T) {
	var tables Tables
	tables.Put(driver.KindContext, 1, 1)
	tables.Put(driver.KindContext, 2, 2)
	tables.Context = 2
	tables.Put(driver.KindStream, 1, 10)
	tables.Put(driver.KindModule, 1, 11)
	tables.PutOwned(driver.KindFunction, 1, 12, Owner{driver.KindModule, 1})
	tables.Put(driver.KindGraph, 1, 13)
	tables.Context = 1
	tables.Put(driver.KindStream, 2, 20)
	tables.Delete(driver.KindContext, 2)
	for _, gone := range []Owner{{driver.KindContext, 2}, {driver.KindStream, 1}, {driver.KindModule, 1}, {driver.KindFunction, 1}} {
		if _, ok := tables.Get(gone.Kind, gone.Number); ok {
			t.Errorf("%+v outlived its context", gone)
		}
	}
	for _, left := range []Owner{{driver.KindContext, 1}, {driver.KindStream, 2}, {driver.KindGraph, 1}} {
		if _, ok := tables.Get(left.Kind, left.Number); !ok {
			t.Errorf("%+v ended with another context", left)
		}
	}
}

func TestContextTakesWhatItsLibrariesGave(t *testing.T) {
	var tables Tables
	tables.Put(driver.KindLibrary, 5, 50)
	tables.PutOwned(driver.KindKernel, 6, 60, Owner{Kind: driver.KindLibrary, Number: 5})
	tables.Put(driver.KindContext, 1, 10)
	tables.Context = 1
	tables.PutOwned(driver.KindModule, 7, 70, Owner{Kind: driver.KindLibrary, Number: 5})
	tables.PutOwned(driver.KindFunction, 8, 80, Owner{Kind: driver.KindKernel, Number: 6})
	tables.Delete(driver.KindContext, 1)
	for kind, number := range map[driver.Kind]uint32{driver.KindModule: 7, driver.KindFunction: 8} {
		if _, ok := tables.Get(kind, number); ok {
			t.Errorf("handle %d of kind %d outlived its context", number, kind)
		}
	}
	for kind, number := range map[driver.Kind]uint32{driver.KindLibrary: 5, driver.KindKernel: 6} {
		if _, ok := tables.Get(kind, number); !ok {
			t.Errorf("handle %d of kind %d ended with a context", number, kind)
		}
	}
}
