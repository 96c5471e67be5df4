//go:build !unix

package live

import "io"

// OnSignal does nothing: there is no signal for it on this system.
func (w *Watch) OnSignal(io.Writer) (stop func()) { return func() {} }
