package vault

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"bitmend/scrub/store"
	"bitmend/scrub/store/s3"
)

// ErrUnsupportedScheme is what a store's URL of a scheme is refused with that
// this bitmend cannot open.
var ErrUnsupportedScheme = errors.New("not supported yet")

// scheme is what a URL begins with. One letter is a drive of Windows.
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]+):`)

// openStore and openHome are the places that know the kinds of stores. A
// location is a path or a file: URL, which when relative is below base, or a
// bucket's s3: URL.
func (v *Vault) openStore(name, location, base string, options s3.Options) (store.Writable, error) {
	if isBucket(location) {
		return s3.Open(name, location, options)
	}
	root, err := rootOf(location, base)
	if err != nil {
		return nil, fmt.Errorf("opening store %q: %w", name, err)
	}
	opened, err := store.OpenDirectory(name, root)
	if err != nil {
		return nil, fmt.Errorf("opening store %q: %w", name, err)
	}
	opened.HoldTo(v.hold)
	return opened, nil
}

// openHome opens the place for what bitmend makes itself.
func (v *Vault) openHome(name, location, base string, options s3.Options) (store.Remover, error) {
	if isBucket(location) {
		return s3.OpenHome(name, location, options)
	}
	root, err := rootOf(location, base)
	if err != nil {
		return nil, err
	}
	home, err := store.OpenHome(name, root)
	if err != nil {
		return nil, err
	}
	home.HoldTo(v.hold)
	return home, nil
}

// isBucket tells whether a location is a bucket and not a directory.
func isBucket(location string) bool {
	m := scheme.FindStringSubmatch(location)
	return m != nil && strings.EqualFold(m[1], s3.Scheme)
}

// checkLocation says what is wrong with the URL of a store.
func checkLocation(location string) error {
	if isBucket(location) {
		return s3.Check(location)
	}
	_, err := rootOf(location, "/")
	return err
}

// rootOf returns the directory that a location stands for, absolute. A path
// stands for itself. In a file: URL bytes may be written as %XX, which is how
// a path that is not UTF-8 gets into a configuration: file:../caf%E9.
func rootOf(location, base string) (string, error) {
	path := location
	if m := scheme.FindStringSubmatch(location); m != nil {
		if !strings.EqualFold(m[1], "file") {
			return "", fmt.Errorf("stores with the scheme %q are %w; if %q is a folder, write %q",
				m[1], ErrUnsupportedScheme, location, "./"+location)
		}
		var err error
		if path, err = pathOfFileURL(location[len(m[0]):]); err != nil {
			return "", fmt.Errorf("%q: %w", location, err)
		}
	}
	switch {
	case path == "":
		return "", errors.New("the url is empty")
	case strings.ContainsRune(path, 0):
		return "", fmt.Errorf("%q: a path cannot hold the byte zero", location)
	case !filepath.IsAbs(path):
		path = filepath.Join(base, path)
	}
	return filepath.Clean(path), nil
}

// pathOfFileURL reads what follows "file:" (RFC 8089; a relative path is an
// extension of ours).
func pathOfFileURL(rest string) (string, error) {
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		host, _, _ := strings.Cut(authority, "/")
		if host != "" && host != "localhost" {
			return "", fmt.Errorf("a file: URL on the host %q cannot be opened; mount it and give its path", host)
		}
		rest = authority[len(host):]
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return "", err
	}
	return filepath.FromSlash(path), nil
}

// fileURL writes a path so that rootOf reads the same bytes and the whole is
// plain ASCII.
func fileURL(path string) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}
