package s3

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"bitmend/scrub/store"
)

// Scheme is what the URL of a bucket begins with.
const Scheme = "s3"

// maxKey is the longest key that the protocol has, in bytes of UTF-8.
const maxKey = 1024

// A location is what a URL says of a bucket.
type location struct {
	bucket    string
	prefix    string // of keys: "" or with a slash at its end
	endpoint  string // "" for Amazon's
	region    string // "" for that of the environment
	profile   string // of the shared configuration files; "" for that of the environment
	pathStyle bool
	instant   bool // objects of the class GLACIER_IR are read, for what it costs
}

// bucketName is what the services take for one, and some older ones took.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$`)

// Check says what is wrong with the URL of a bucket.
func Check(rawURL string) error {
	_, err := parse(rawURL)
	return err
}

// Place returns what tells one store from another: the bucket with its
// endpoint, and the prefix, which is "" or ends with a slash.
func Place(rawURL string) (bucket, prefix string, err error) {
	at, err := parse(rawURL)
	return at.endpoint + "/" + at.bucket, at.prefix, err
}

func parse(rawURL string) (location, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return location{}, err
	}
	if u.Scheme != Scheme || u.Opaque != "" {
		return location{}, fmt.Errorf("%q is not of the form s3://BUCKET/PREFIX", rawURL)
	}
	if u.User != nil {
		return location{}, errors.New("a URL holds no secrets: credentials come from the environment and the shared files")
	}
	if u.Fragment != "" {
		return location{}, fmt.Errorf("%q: write # as %%23", rawURL)
	}
	at := location{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if !bucketName.MatchString(at.bucket) {
		return location{}, fmt.Errorf("%q is no name of a bucket", at.bucket)
	}
	if at.prefix != "" {
		if err := store.CheckName(at.prefix); err != nil || !utf8.ValidString(at.prefix) {
			return location{}, fmt.Errorf("%q is no prefix of names", at.prefix)
		}
		at.prefix += "/"
	}
	return at, at.ask(u.RawQuery)
}

// ask reads what follows the question mark.
func (at *location) ask(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	at.endpoint = strings.TrimSuffix(values.Get("endpoint"), "/")
	at.region, at.profile, at.pathStyle = values.Get("region"), values.Get("profile"), at.endpoint != ""
	for key, all := range values {
		if len(all) != 1 {
			return fmt.Errorf("%s is said twice", key)
		}
		switch key {
		case "endpoint":
			e, err := url.Parse(at.endpoint)
			if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || e.User != nil {
				return fmt.Errorf("endpoint %q is not of the form https://HOST", at.endpoint)
			}
		case "path_style":
			if at.pathStyle, err = strconv.ParseBool(all[0]); err != nil {
				return fmt.Errorf("path_style is %q, not true or false", all[0])
			}
		case "glacier_ir":
			if at.instant = all[0] == "read"; !at.instant {
				return fmt.Errorf("glacier_ir is %q; it can only be read, which costs extra", all[0])
			}
		case "region", "profile":
		default:
			return fmt.Errorf("%q is not known after the question mark: there are endpoint, region, profile, path_style and glacier_ir", key)
		}
	}
	return nil
}

// keyOf returns the key of a blob that may be there. ErrNotFound says that no
// key can stand for the name.
func (b *Bucket) keyOf(name string) (string, error) {
	if err := store.CheckName(name); err != nil {
		return "", err
	}
	key := b.prefix + name
	if !utf8.ValidString(key) || len(key) > maxKey {
		return "", fmt.Errorf("%w: a key is UTF-8 of at most %d bytes", store.ErrNotFound, maxKey)
	}
	return key, nil
}
