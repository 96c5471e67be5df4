package diagnose

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

func bytesText(n int64) string { return countText(n, "byte") }

func countText(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return humanize.Comma(n) + " " + thing
}

// extent is a run of bytes in a blob, end not included.
type extent struct{ start, end int64 }

func (e extent) length() int64 { return e.end - e.start }

// text names the extent and the boundaries that it keeps to: damage that keeps
// to sectors or pages comes from what moves sectors or pages. size is that of
// the blob, whose end is on every boundary.
func (e extent) text(size int64) string {
	text := fmt.Sprintf("bytes %d-%d (%s)", e.start, e.end-1, bytesText(e.length()))
	if e.length() == 1 {
		text = fmt.Sprintf("byte %d", e.start)
	}
	if unit := e.alignment(size); unit != "" {
		text += ", on boundaries of " + unit
	}
	return text
}

// alignment returns the largest unit on whose boundaries the extent begins and
// ends; "" when it keeps to none. An extent that is all of the blob says
// nothing.
func (e extent) alignment(size int64) string {
	if e.length() == 0 || e.start == 0 && e.end == size {
		return ""
	}
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{64 << 10, "64 KiB"}, {4 << 10, "4 KiB"}, {512, "512 bytes"}} {
		if e.start%unit.bytes == 0 && (e.end%unit.bytes == 0 || e.end == size) {
			return unit.name
		}
	}
	return ""
}

// boundary says on which boundary an offset lies, as the end of a sentence.
func boundary(offset int64) string {
	switch {
	case offset == 0:
		return ""
	case offset%(64<<10) == 0:
		return ", on a boundary of 64 KiB"
	case offset%(4<<10) == 0:
		return ", on a boundary of 4 KiB"
	case offset%512 == 0:
		return ", on a boundary of 512 bytes"
	}
	return ""
}
