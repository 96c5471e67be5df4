package store

import (
	"context"

	"bitmend/hashsets"
)

// Version is one of the states of a blob that a store keeps.
type Version struct {
	Identity hashsets.Identity
	Current  bool
	Deleted  bool // it says that the blob was deleted then, and has no bytes
}

// Versioned is a Store that may keep older versions of blobs. None of them is
// ever changed or removed by bitmend.
type Versioned interface {
	// Versions returns the versions of a blob, the newest first; none when the
	// store keeps none of it. ErrPermission when they may not be listed.
	Versions(ctx context.Context, name string) ([]Version, error)
	// OpenVersion opens one that is not Deleted, as Store.Open does.
	OpenVersion(ctx context.Context, name, version string, access Access) (Reader, error)
}
