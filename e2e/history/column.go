package history

import "time"

// column is all series of one pod that one job scrapes: the containers', then the pause container's, then the
// pod's own. Strays are those that Faults add.
type column struct {
	cpu, memory           []*series
	strayCPU, strayMemory []*series
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
	if job == 0 && t.has(MissingLabels|OtherEnvironment) {
		for _, l := range t.strays(cpuMetric) {
			c.strayCPU = append(c.strayCPU, b.series(l))
		}
		for _, l := range t.strays(memoryMetric) {
			c.strayMemory = append(c.strayMemory, b.series(l))
		}
	}
	return c
}

// add stores one scrape. up is how long the pod's containers have been running.
func (c *column) add(ms int64, s reading, up time.Duration) error {
	pause := len(s.cpu)
	if err := c.addStrays(ms, up); err != nil {
		return err
	}
	cpu, memory := coarse(pauseCPU*up.Seconds(), counterStep), float64(pauseMemory)
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

func (c *column) addStrays(ms int64, up time.Duration) error {
	for i := range c.strayCPU {
		if err := c.strayCPU[i].add(ms, coarse(strayCPU*up.Seconds(), counterStep)); err != nil {
			return err
		}
		if err := c.strayMemory[i].add(ms, strayMemory); err != nil {
			return err
		}
	}
	return nil
}

func (c *column) addTo(i int, ms int64, cpu, memory float64) error {
	if err := c.cpu[i].add(ms, cpu); err != nil {
		return err
	}
	return c.memory[i].add(ms, memory)
}
