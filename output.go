package main

import (
	"io"
	"sync"
)

// output is standard output that remembers whether all of it was written: a
// report that reached nobody is no success.
type output struct {
	to io.Writer

	mu  sync.Mutex
	err error // the first
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

// failed returns the error that kept the output from being written.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
