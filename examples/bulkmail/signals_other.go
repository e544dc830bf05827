//go:build !unix && !windows

package main

import "os"

func endSignals() []os.Signal { return []os.Signal{os.Interrupt} }
