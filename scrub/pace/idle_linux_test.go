package pace_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"bitmend/scrub/pace"
)

func TestEveryThreadIsIdle(t *testing.T) {
	var threads sync.WaitGroup // some more threads
	hold := make(chan struct{})
	for range 8 {
		threads.Go(func() {
			_, _ = unix.Poll(nil, 20)
			<-hold
		})
	}
	if err := pace.BeIdle(); err != nil {
		t.Fatal(err)
	}
	close(hold)
	threads.Wait()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
		if nice := fields[17]; nice != "19" { // field 19 of proc_pid_stat(5)
			t.Errorf("thread %s has the nice value %s", task.Name(), nice)
		}
	}
}
