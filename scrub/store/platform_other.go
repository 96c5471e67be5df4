//go:build (!linux || portable) && !darwin

package store

// setDirect is not known here; reads go through the page cache.
func (f file) setDirect(bool) error { return ErrUnsupported }

// exchange is not known here.
func (f folder) exchange(a, b string) error { return ErrUnsupported }

func (f file) xattrs() (map[string][]byte, error) { return nil, nil }

func (f file) setXattrs(xattrs map[string][]byte) error {
	if len(xattrs) > 0 {
		return ErrUnsupported
	}
	return nil
}
