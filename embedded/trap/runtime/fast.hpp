// Opening without a look first: most names are no links, so the file is opened without following one, and only when
// that fails is the name walked as src/guest does it.
#pragma once
#include "embedded/trap/runtime/slots.hpp"

namespace udocker::trap {

// True: `result` is what the guest gets. False: nothing has happened, the call must be translated.
bool open_at_once(Slot* slot, long& result);

// A directory that shows the process's descriptors, wherever it may lie: "fd" or "fdinfo".
bool lists_descriptors(guest::Text path);

}  // namespace udocker::trap
