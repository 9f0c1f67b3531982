package history

import "time"

// column is all series of one pod that one job scrapes: the containers', then the pause container's, then the
// pod's own.
type column struct {
	cpu, memory []*series
}

func (t *target) column(b *block, job int) *column {
	c := &column{}
	names := make([]string, 0, len(t.workload.Containers)+2)
	for _, container := range t.workload.Containers {
		names = append(names, container.Name)
	}
	for _, name := range append(names, pauseContainer, podSum) {
		c.cpu = append(c.cpu, b.series(t.labels(cpuMetric, name, job)))
		c.memory = append(c.memory, b.series(t.labels(memoryMetric, name, job)))
	}
	return c
}

// add stores one scrape. up is how long the pod's containers have been running.
func (c *column) add(ms int64, s reading, up time.Duration) error {
	pause := len(s.cpu)
	cpu, memory := coarse(pauseCPU*up.Seconds(), 1.0/(1<<20)), float64(pauseMemory)
	if err := c.addTo(pause, ms, cpu, memory); err != nil {
		return err
	}
	for i := range s.cpu {
		if err := c.addTo(i, ms, s.cpu[i], s.memory[i]); err != nil {
			return err
		}
		cpu, memory = cpu+s.cpu[i], memory+s.memory[i]
	}
	return c.addTo(pause+1, ms, cpu, memory)
}

func (c *column) addTo(i int, ms int64, cpu, memory float64) error {
	if err := c.cpu[i].add(ms, cpu); err != nil {
		return err
	}
	return c.memory[i].add(ms, memory)
}
