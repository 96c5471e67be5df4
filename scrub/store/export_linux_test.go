//go:build !portable

package store

import "context"

// WithoutOpenat2 lets d resolve names as on kernels before 5.6.
func (d *Directory) WithoutOpenat2() error {
	if _, err := d.top(context.Background()); err != nil {
		return err
	}
	d.anchor.openat2 = false
	return nil
}
