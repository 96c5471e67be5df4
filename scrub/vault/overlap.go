package vault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bitmend/scrub/store/s3"
)

// A bucketPlace is a part of a bucket that must not overlap another.
type bucketPlace struct {
	what, key      string // as in place
	bucket, prefix string
}

// checkBuckets complains of stores and parity that lie in one another.
func (c *Config) checkBuckets(r *complaints) {
	var all []bucketPlace
	add := func(what, key, location string) {
		if !isBucket(location) {
			return
		}
		if bucket, prefix, err := s3.Place(location); err == nil {
			all = append(all, bucketPlace{what, key, bucket, prefix})
		}
	}
	for i, s := range c.Stores {
		add(fmt.Sprintf("store %q", s.Name), fmt.Sprintf("store[%d].url", i), s.URL)
	}
	add("the parity folder", "parity.url", c.ParityURL)
	for i, location := range c.Mirrors {
		add(fmt.Sprintf("mirror %d", i+1), fmt.Sprintf("mirror[%d].url", i), location)
	}
	for i, p := range all {
		for _, other := range all[:i] {
			if p.bucket == other.bucket && (strings.HasPrefix(p.prefix, other.prefix) || strings.HasPrefix(other.prefix, p.prefix)) {
				r.add(p.key, "%s and %s lie in one another, in the same bucket", p.what, other.what)
			}
		}
	}
}

// A place is a directory of the configuration that must not overlap another.
type place struct {
	what string // "store \"primary\"", for messages
	key  string // in the configuration
	path string // absolute, as it is configured
	real string // with symbolic links resolved as far as it exists
}

func newPlace(what, key, path string) place {
	return place{what: what, key: key, path: path, real: realPath(path)}
}

// checkPlaces complains of stores, parity and vault that lie in one another: a
// vault in its own store would protect itself, and be lost with it; a store in
// another would be scrubbed twice and repaired against itself.
func (c *Config) checkPlaces(dir string, r *complaints) {
	c.checkBuckets(r)
	home := newPlace("the vault", "", dir)
	var outside []place
	for i, s := range c.Stores {
		if root, err := rootOf(s.URL, dir); err == nil {
			outside = append(outside, newPlace(fmt.Sprintf("store %q", s.Name), fmt.Sprintf("store[%d].url", i), root))
		}
	}
	if c.ParityURL != "" {
		root, err := rootOf(c.ParityURL, dir)
		if err == nil && root != filepath.Join(dir, parityFolder) {
			outside = append(outside, newPlace("the parity folder", "parity.url", root))
		}
	}
	for i, location := range c.Mirrors {
		if root, err := rootOf(location, dir); err == nil {
			outside = append(outside, newPlace(fmt.Sprintf("mirror %d", i+1), fmt.Sprintf("mirror[%d].url", i), root))
		}
	}
	for i, p := range outside {
		for _, other := range append([]place{home}, outside[:i]...) {
			complainOfOverlap(r, p, other)
		}
	}
}

// CheckOutside returns an error unless a directory lies outside of the vault,
// its stores, its parity files and its mirrors, and none of them lies in it.
func (v *Vault) CheckOutside(dir string) error {
	r := &complaints{}
	mine := newPlace("the directory", "", dir)
	complainOfOverlap(r, mine, newPlace("the vault", "", v.Dir))
	for _, s := range v.Config.Stores {
		if root, err := rootOf(s.URL, v.Dir); !isBucket(s.URL) && err == nil {
			complainOfOverlap(r, mine, newPlace(fmt.Sprintf("store %q", s.Name), "", root))
		}
	}
	if v.Config.ParityURL != "" && !isBucket(v.Config.ParityURL) {
		if root, err := rootOf(v.Config.ParityURL, v.Dir); err == nil {
			complainOfOverlap(r, mine, newPlace("the parity folder", "", root))
		}
	}
	for i, location := range v.Config.Mirrors {
		if root, err := rootOf(location, v.Dir); !isBucket(location) && err == nil {
			complainOfOverlap(r, mine, newPlace(fmt.Sprintf("mirror %d", i+1), "", root))
		}
	}
	return r.err()
}

func complainOfOverlap(r *complaints, p, other place) {
	switch {
	case sameDirectory(p.real, other.real):
		r.add(p.key, "%s and %s are the same directory, %s", p.what, other.what, p.path)
	case isInside(p.real, other.real):
		r.add(p.key, "%s (%s) is inside of %s (%s)", p.what, p.path, other.what, other.path)
	case isInside(other.real, p.real):
		r.add(p.key, "%s (%s) is inside of %s (%s)", other.what, other.path, p.what, p.path)
	}
}

// realPath resolves symbolic links in the part of path that exists: a store
// that is not mounted now has a place all the same.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(realPath(parent), filepath.Base(path))
}

// isInside tells whether path is somewhere below dir, by its name or because a
// directory above it is the same one as dir (device and inode), as with a file
// system that is mounted twice.
func isInside(path, dir string) bool {
	for above := filepath.Dir(path); ; above = filepath.Dir(above) {
		if sameDirectory(above, dir) {
			return true
		}
		if above == filepath.Dir(above) {
			return false
		}
	}
}

func sameDirectory(a, b string) bool {
	if a == b {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
