package image

import "bytes"

// Refers says whether code in an image, as Measure returned it, names a function
// of the device's own such as vprintf. What cannot be unpacked names nothing: no
// driver can load it either.
func Refers(image []byte, function string) bool {
	if !bytes.HasPrefix(image, []byte{0x50, 0xed, 0x55, 0xba}) {
		return bytes.Contains(image, []byte(function))
	}
	list, err := Entries(image)
	if err != nil {
		return false
	}
	for _, e := range list {
		if code, err := e.Code(); err == nil && bytes.Contains(code, []byte(function)) {
			return true
		}
	}
	return false
}
