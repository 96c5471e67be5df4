//go:build !linux || portable

package store

import "context"

// Disk tells nothing: it is not known how to ask.
func (d *Directory) Disk(context.Context) (Device, error) { return &disk{}, nil }

// Place is 0: it is not known how to ask.
func (d *Directory) Place(context.Context, string) (int64, error) { return 0, nil }

func (d *disk) count() (diskCount, bool) { return diskCount{}, false }
