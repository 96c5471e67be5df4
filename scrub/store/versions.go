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

// Copier is a Versioned store whose service can put an older version in the
// place of a blob without the bytes going through this host.
type Copier interface {
	Versioned
	// CopyVersion makes a copy of a version the current one. The service reads
	// and digests what it copies, and nothing is to be seen before one of the
	// digests is known to be right. ErrUnsupported when the service cannot do
	// so or does not tell; the errors of Staged.Publish, with expect as there.
	CopyVersion(ctx context.Context, name, version string, digests []hashsets.Digest, expect *hashsets.Identity) (Entry, error)
	// KeepsReplaced tells whether the state of a blob stays when it is replaced
	// or deleted, as a version that nobody overwrites.
	KeepsReplaced(state hashsets.Identity) bool
}
