package arbiter

// Rest is for who wants to look at the domain no more until one of its executors does something: woken is
// called then, once, unless Attend came before. It is called with Arbiter.mu held: it must return at once, take no
// lock, and call nothing of the arbiter. false: an executor is at work, or cannot tell, and woken will not be called.
func (d *Domain) Rest(woken func()) bool {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || !d.heard {
		return false
	}
	d.listen(woken)
	for _, e := range d.executors {
		if !e.Idle() {
			d.listen(nil)
			return false
		}
	}
	return true
}

// Attend ends Rest.
func (d *Domain) Attend() {
	d.arbiter.mu.Lock()
	defer d.arbiter.mu.Unlock()
	d.listen(nil)
}

// listen has the executors tell that they do something, or not. It needs the arbiter's lock.
func (d *Domain) listen(woken func()) {
	d.woken = woken
	for _, e := range d.executors {
		e.Tell(woken != nil)
	}
}

// hear passes on what an executor has told. It needs the arbiter's lock.
func (d *Domain) hear() {
	if d.woken == nil {
		return
	}
	for _, e := range d.executors {
		if e.Told() {
			d.woken()
			d.listen(nil)
			return
		}
	}
}
