package verify

import (
	"fmt"
	"io"
)

// output passes writes on until one fails. A report that could not be written
// must not end as if it had been read.
type output struct {
	to  io.Writer
	err error // of the first write that failed; nothing is written after it
}

func (o *output) Write(p []byte) (int, error) {
	if o.err == nil {
		if _, err := o.to.Write(p); err != nil {
			o.err = fmt.Errorf("writing the report: %w", err)
		}
	}
	return len(p), o.err
}
