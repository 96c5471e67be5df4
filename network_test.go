package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"bitmend/fixtures/s3proxy"
	"bitmend/fixtures/s3server"
)

// A network is the proxies between the scripts and their servers.
type network struct {
	t *testing.T

	mu      sync.Mutex
	proxies map[*testscript.TestScript]*s3proxy.Proxy
	held    map[*testscript.TestScript]chan struct{}
}

func newNetwork(t *testing.T) *network {
	return &network{t: t, proxies: map[*testscript.TestScript]*s3proxy.Proxy{}, held: map[*testscript.TestScript]chan struct{}{}}
}

// proxy puts one before the server of the script.
func (n *network) proxy(ts *testscript.TestScript, _ bool, _ []string) {
	p := s3proxy.Start(n.t, ts.Getenv("ENDPOINT"))
	ts.Setenv("S3", "endpoint="+p.URL+"&region="+s3server.Region)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proxies[ts] = p
}

// service has the proxy fail requests of a kind, or pass all of them again.
func (n *network) service(ts *testscript.TestScript, _ bool, args []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rules []s3proxy.Rule
	switch args[0] {
	case "denies":
		rules = append(rules, s3proxy.Rule{Fault: s3proxy.Deny, Method: args[1]})
	case "stumbles":
		rules = append(rules, s3proxy.Rule{Fault: s3proxy.Fail, Method: args[1], Times: 2})
	case "recovers":
	default:
		ts.Fatalf("what is %q?", args)
	}
	n.proxies[ts].Set(rules...)
}

// hold has the proxy never answer the next request of a kind.
func (n *network) hold(ts *testscript.TestScript, _ bool, args []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	met := make(chan struct{})
	n.held[ts] = met
	rule := s3proxy.Rule{Method: args[0], Path: args[1], Times: 1}
	if len(args) > 2 {
		rule.Fault, rule.After = s3proxy.Withhold, func() { close(met) }
	} else {
		rule.Fault, rule.Then = s3proxy.Mute, func() { close(met) }
	}
	n.proxies[ts].Set(rule)
}

// kill waits until a request is held, and kills the command in the background
// that made it.
func (n *network) kill(ts *testscript.TestScript, _ bool, _ []string) {
	n.mu.Lock()
	met := n.held[ts]
	n.mu.Unlock()
	select {
	case <-met:
	case <-time.After(time.Minute):
		ts.Fatalf("no request was held")
	}
	running := ts.BackgroundCmds()
	ts.Check(running[len(running)-1].Process.Kill())
}

// uploads fails unless so many uploads in parts are under way in a bucket.
func uploads(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	out, err := s3server.Client(ts.Getenv("ENDPOINT")).ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &args[0]})
	ts.Check(err)
	if len(out.Uploads) != want {
		ts.Fatalf("%d uploads are under way, want %d", len(out.Uploads), want)
	}
}

// makeLarge makes a file of so many bytes.
func makeLarge(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	file := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
	line := []byte("a line of a file that takes several parts\n")
	ts.Check(os.WriteFile(file, bytes.Repeat(line, size/len(line)+1)[:size], 0o644))
}
