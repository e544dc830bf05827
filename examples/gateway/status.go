package main

// Counters, on a page in the text format that Prometheus reads too.

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
)

type counters struct {
	sessions                          atomic.Int64 // now
	connections, relayed, quarantined atomic.Int64
	rejected, refused, failed, octets atomic.Int64
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" && r.URL.Path != "/metrics" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	c := &g.count
	for _, x := range []struct {
		name, kind, help string
		n                *atomic.Int64
	}{
		{"sessions", "gauge", "Sessions that are open.", &c.sessions},
		{"connections_total", "counter", "Connections taken.", &c.connections},
		{"relayed_total", "counter", "Messages that upstream accepted.", &c.relayed},
		{"relayed_octets_total", "counter", "Octets of messages relayed or quarantined, as they came.", &c.octets},
		{"quarantined_total", "counter", "Messages put into the quarantine.", &c.quarantined},
		{"rejected_total", "counter", "Recipients and messages refused by rules and bounds of the gateway.", &c.rejected},
		{"refused_total", "counter", "Senders, recipients and messages refused by upstream for good.", &c.refused},
		{"failed_total", "counter", "Temporary failures of upstream, the hooks and connections.", &c.failed},
	} {
		fmt.Fprintf(w, "# HELP gateway_%s %s\n# TYPE gateway_%[1]s %[3]s\ngateway_%[1]s %[4]d\n", x.name, x.help, x.kind, x.n.Load())
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(w, "# HELP gateway_memory_octets Memory in use, of heap and stacks.\n# TYPE gateway_memory_octets gauge\ngateway_memory_octets %d\n", m.HeapInuse+m.StackInuse)
	if len(g.rules.list) == 0 {
		return
	}
	fmt.Fprint(w, "# HELP gateway_rule_hits_total How often a rule was followed.\n# TYPE gateway_rule_hits_total counter\n")
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, r := range g.rules.list {
		fmt.Fprintf(w, "gateway_rule_hits_total{rule=\"%s\",text=\"%s\"} %d\n", quote.Replace(r.where), quote.Replace(r.text), r.hits.Load())
	}
}
