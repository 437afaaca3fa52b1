// A static program without libc: goroutines on many threads that make, read, stat and remove files, run programs, talk
// over sockets and take signals. Prints one line per check.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func check(name string, err error) {
	result := "ok"
	if err != nil {
		result = "FAIL"
		fmt.Fprintln(os.Stderr, name, err)
	}
	fmt.Printf("RESULT\t%s\t%s\n", name, result)
}

func files(dir string) error {
	var group sync.WaitGroup
	var failed atomic.Value
	for i := 0; i < 64; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for j := 0; j < 30; j++ {
				name := filepath.Join(dir, fmt.Sprintf("f%d-%d", i, j))
				if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
					failed.Store(err)
					return
				}
				if data, err := os.ReadFile(name); err != nil || string(data) != name {
					failed.Store(fmt.Errorf("read %s: %v", name, err))
				}
				if err := os.Rename(name, name+"x"); err != nil {
					failed.Store(err)
				}
				if err := os.Remove(name + "x"); err != nil {
					failed.Store(err)
				}
			}
		}(i)
	}
	group.Wait()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		return fmt.Errorf("%d files left", len(left))
	}
	if err, ok := failed.Load().(error); ok {
		return err
	}
	return nil
}

func programs() error {
	var group sync.WaitGroup
	results := make(chan error, 16)
	for i := 0; i < 16; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			out, err := exec.Command("/bin/echo", "number", fmt.Sprint(i)).Output()
			if err == nil && string(out) != fmt.Sprintf("number %d\n", i) {
				err = fmt.Errorf("got %q", out)
			}
			results <- err
		}(i)
	}
	group.Wait()
	close(results)
	for err := range results {
		if err != nil {
			return err
		}
	}
	return nil
}

func sockets(dir string) error {
	name := filepath.Join(dir, "socket")
	listener, err := net.Listen("unix", name)
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	var group sync.WaitGroup
	var bad atomic.Value
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			c, err := net.Dial("unix", name)
			if err != nil {
				bad.Store(err)
				return
			}
			defer c.Close()
			fmt.Fprint(c, "hello")
			buffer := make([]byte, 5)
			if _, err := io.ReadFull(c, buffer); err != nil || string(buffer) != "hello" {
				bad.Store(fmt.Errorf("%q %v", buffer, err))
			}
		}()
	}
	group.Wait()
	if err, ok := bad.Load().(error); ok {
		return err
	}
	return nil
}

func signals() error {
	channel := make(chan os.Signal, 1)
	signal.Notify(channel, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	select {
	case <-channel:
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("no signal")
	}
}

func main() {
	dir, err := os.MkdirTemp("/tmp", "go")
	check("go.tempdir", err)
	check("go.files", files(dir))
	check("go.programs", programs())
	check("go.sockets", sockets(dir))
	check("go.signals", signals())
	exe, err := os.Executable()
	if err == nil && exe != "/suites/goroutines" {
		err = fmt.Errorf("executable is %s", exe)
	}
	check("go.executable", err)
	check("go.cleanup", os.RemoveAll(dir))
}
