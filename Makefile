# udocker: finds the sources, makes the lists of applets and engines, compiles, links, checks. `make help` lists targets.
CONFIG  ?= release
TARGET  ?= x86_64-linux-musl
V       ?= 0
B       := build/$(CONFIG)$(if $(filter-out x86_64-linux-musl,$(TARGET)),-$(TARGET))
Q       := $(if $(filter 1,$(V)),,@)
MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)  # one make below another shares its jobs
MAKEFLAGS += -j$(shell nproc)
endif
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
unexport LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH

VERSION := $(shell cat packaging/VERSION)
CCACHE  := $(shell command -v ccache 2>/dev/null)

ifeq ($(CONFIG),release)
TC       := $(shell toolchain/build --target $(TARGET) --print)
CC       := $(CCACHE) $(TC)/bin/cc
CXX      := $(CCACHE) $(TC)/bin/c++
AR       := $(TC)/bin/ar
STRIP    := $(TC)/bin/strip
TC_READY := $(TC)/bin/c++
OPT      := -Os -g1 -ffunction-sections -fdata-sections
# No build id: it would be made from debug lines too, which differ from folder to folder and are stripped afterwards.
LDOPT    := -Wl,--gc-sections -Wl,--build-id=none
INCLUDE  := -I$(TC)/include
LIBS     := -larchive -lcurl -lmbedtls -lmbedx509 -lmbedcrypto -lseccomp -lzstd -llzma -lbz2 -ldeflate -lz
BUSYBOX  := $(TC)/share/busybox
CA       := $(TC)/share/ca-bundle.pem
LICENCES := $(TC)/share/licences.txt
else  # asan, tsan: the unit tests and the fuzz targets on the host's C library
CC       := $(CCACHE) clang
CXX      := $(CCACHE) clang++
AR       := ar
STRIP    := true
TC_READY :=
OPT      := -O1 -gline-tables-only -fno-omit-frame-pointer
LDOPT    :=
INCLUDE  :=
LIBS     := -larchive -lcurl -lmbedtls -lmbedx509 -lmbedcrypto -lseccomp -lzstd -llzma -lbz2 -ldeflate -lz
BUSYBOX  :=
CA       :=
LICENCES :=
endif
ifeq ($(CONFIG),asan)
OPT += -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
endif
ifeq ($(CONFIG),tsan)
OPT += -fsanitize=thread
endif
ARCH := $(firstword $(subst -, ,$(TARGET)))

ISAL      = $(if $(wildcard $(if $(filter release,$(CONFIG)),$(TC)/lib/libisal.a,/usr/include/isa-l/igzip_lib.h)),-lisal)

# Warnings are errors in CI only: another compiler knows others. The last four judge optimised code and are wrong about std::optional and std::string in GCC 12.
WARN     := -Wall -Wextra -Wno-missing-field-initializers $(if $(CI),-Werror) -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds
ifneq ($(CONFIG),release)
WARN     := -w -Wno-c++11-narrowing
endif
CXXFLAGS ?=
ALL_CXX  = -std=c++20 $(WARN) -Isrc -I. $(INCLUDE) $(OPT) -pthread -D_GNU_SOURCE -DUDOCKER_VERSION='"$(VERSION)"' \
           -ffile-prefix-map=$(CURDIR)=. $(CXXFLAGS) -MMD -MP
# Code that lives inside guest processes: no libc, no C++ run-time, general registers only.
FREE     := -std=c++20 $(WARN) -Isrc -I. -O2 -g1 -ffreestanding -fno-exceptions -fno-rtti -fno-stack-protector \
            -fno-threadsafe-statics -fno-asynchronous-unwind-tables -fcf-protection=none -fPIC -fvisibility=hidden \
            -mgeneral-regs-only -ffunction-sections -fdata-sections -fno-builtin -U_FORTIFY_SOURCE \
            -DUDOCKER_FREESTANDING -ffile-prefix-map=$(CURDIR)=. -MMD -MP
ifeq ($(ARCH),aarch64)
FREE := $(patsubst -fcf-protection=none,-mbranch-protection=none,$(FREE)) -mno-outline-atomics
endif

SRC      := $(filter-out src/main.cpp,$(wildcard src/*/*.cpp))
APPLETS  := $(wildcard applets/*.cpp)
EMBEDDED := $(wildcard embedded/*/*.cpp)
PROGRAMS := $(wildcard embedded/*/main.cpp)
ifeq ($(CONFIG),release)
TRAP_SRC := $(wildcard embedded/trap/runtime/*.cpp embedded/trap/runtime/*.S)
PRE_SRC  := $(wildcard embedded/preload/lib/*.cpp embedded/preload/lib/*.S)
endif
UNIT     := $(wildcard tests/unit/*/*_test.cpp tests/unit/*.cpp)
ifeq ($(CONFIG),tsan)  # what has threads
UNIT     := $(wildcard $(patsubst %,tests/unit/%/*_test.cpp,util archive net registry store ops))
endif
obj       = $(patsubst %,$(B)/obj/%.o,$(1))
free      = $(patsubst %,$(B)/free/%.o,$(1))

all: $(B)/udocker ## build the program (build/udocker)
	$(Q)ln -sfn $(CONFIG)/udocker build/udocker.tmp && if [ $(CONFIG)-$(ARCH) = release-x86_64 ]; then cp -f $< build/udocker.new && mv -f build/udocker.new build/udocker && printf 'build/udocker: %s bytes\n' "$$(stat -c %s build/udocker)"; fi; rm -f build/udocker.tmp

ifneq ($(TC_READY),)
$(TC_READY):
	$(Q)toolchain/build --target $(TARGET) >/dev/null
endif

# The standard headers are precompiled for release builds: 40 % less to compile. Other builds check the includes.
ifeq ($(CONFIG),release)
PCH := $(B)/pch/std_headers.hpp
# ccache tells precompiled headers apart by the sum beside them: the files themselves differ from folder to folder.
export CCACHE_SLOPPINESS := pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_PCH_EXTSUM := 1
export CCACHE_NOHASHDIR := 1
$(PCH).gch: src/util/std_headers.hpp Makefile | $(TC_READY)
	$(Q)mkdir -p $(@D); cp $< $(PCH) && sha256sum <$< | cut -c1-64 >$@.sum && $(CXX) $(ALL_CXX) -x c++-header $(PCH) -o $@
endif
$(B)/obj/%.cpp.o: %.cpp Makefile $(addsuffix .gch,$(PCH)) | $(TC_READY)
	$(Q)mkdir -p $(@D); $(if $(Q),echo "  CXX $<";) $(CXX) $(ALL_CXX) $(addprefix -include ,$(PCH)) -c $< -o $@
$(B)/free/%.cpp.o: %.cpp Makefile | $(TC_READY)
	$(Q)mkdir -p $(@D); $(if $(Q),echo "  FREE $<";) $(CXX) $(FREE) -c $< -o $@
$(B)/free/%.S.o: %.S Makefile | $(TC_READY)
	$(Q)mkdir -p $(@D); $(if $(Q),echo "  FREE $<";) $(CC) -Isrc -I. -c $< -o $@

$(B)/tables.cpp: Makefile $(APPLETS) $(PROGRAMS)
	$(Q)mkdir -p $(@D); { echo '#include "cli/applet.hpp"'; echo 'namespace udocker {'; \
	  for a in $(sort $(basename $(notdir $(APPLETS)))); do echo "extern const cli::Applet applet_$$a;"; done; \
	  for p in $(sort $(notdir $(patsubst %/,%,$(dir $(PROGRAMS))))); do echo "extern const cli::Program program_$$p;"; done; \
	  echo 'namespace cli {'; \
	  echo 'static const Applet* const applets[] = {'; for a in $(sort $(basename $(notdir $(APPLETS)))); do echo "  &applet_$$a,"; done; echo 'nullptr};'; \
	  echo 'static const Program* const programs[] = {'; for p in $(sort $(notdir $(patsubst %/,%,$(dir $(PROGRAMS))))); do echo "  &program_$$p,"; done; echo 'nullptr};'; \
	  echo 'std::span<const Applet* const> all_applets() { return {applets, std::size(applets) - 1}; }'; \
	  echo 'std::span<const Program* const> all_programs() { return {programs, std::size(programs) - 1}; }'; \
	  echo '}  // namespace cli'; echo '}  // namespace udocker'; } > $@.tmp; cmp -s $@.tmp $@ 2>/dev/null && touch $@ || mv $@.tmp $@; rm -f $@.tmp
$(B)/tables.o: $(B)/tables.cpp | $(TC_READY)
	$(Q)$(CXX) $(ALL_CXX) -c $< -o $@

# The carried files. A blob whose source does not exist in this build is empty.
$(B)/trap_runtime.elf: $(call free,$(TRAP_SRC)) $(B)/guest_freestanding.a $(wildcard embedded/trap/runtime/link.ld)
	$(Q)$(CXX) -nostdlib -static -no-pie -Wl,--no-dynamic-linker -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--gc-sections -Wl,--no-relax -T embedded/trap/runtime/link.ld -o $@ $(call free,$(TRAP_SRC)) $(B)/guest_freestanding.a
# Frames of the object lie between a program and the libc: a cancelled thread is unwound through them.
$(call free,$(PRE_SRC)): FREE += -fasynchronous-unwind-tables
$(B)/preload.so: $(call free,$(PRE_SRC)) $(B)/guest_freestanding.a $(wildcard embedded/preload/lib/exports.map)
	$(Q)$(CXX) -nostdlib -shared -fPIC -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--gc-sections -Wl,--hash-style=both -Wl,--eh-frame-hdr -Wl,-z,stack-size=0 -Wl,-soname,libudocker.so $(patsubst %,-Wl$(comma)--version-script=%,$(wildcard embedded/preload/lib/exports.map)) -o $@ $(call free,$(PRE_SRC)) $(B)/guest_freestanding.a
comma := ,
$(B)/guest_freestanding.a: $(call free,$(wildcard src/guest/*.cpp))
	$(Q)rm -f $@; $(AR) crD $@ $^
BLOBS := $(if $(PRE_SRC),preload:$(B)/preload.so.stripped,preload:) $(if $(TRAP_SRC),trap_runtime:$(B)/trap_runtime.elf.stripped,trap_runtime:) busybox:$(BUSYBOX) ca_bundle:$(CA) licences:$(LICENCES)
$(B)/%.stripped: $(B)/%
	$(Q)cp $< $@ && { $(STRIP) --strip-unneeded $@ 2>/dev/null || true; }
blob_file = $(word 2,$(subst :, ,$(1)))
$(B)/blobs.S: Makefile $(foreach b,$(filter $(B)/%,$(foreach x,$(BLOBS),$(call blob_file,$(x)))),$(b)) | $(TC_READY)
	$(Q)mkdir -p $(@D); { echo '.section .rodata'; for b in $(BLOBS); do n=$${b%%:*}; f=$${b#*:}; printf '.global udocker_blob_%s, udocker_blob_%s_end\n.balign 16\nudocker_blob_%s:\n' $$n $$n $$n; [ -n "$$f" ] && [ -e "$$f" ] && printf '.incbin "%s"\n' "$$f"; printf 'udocker_blob_%s_end:\n.byte 0\n' $$n; printf '.global udocker_blob_%s_digest\nudocker_blob_%s_digest: .ascii "%s"\n' $$n $$n "$$(cat $${f:-/dev/null} 2>/dev/null | sha256sum | cut -c1-16)"; done; echo '.section .note.GNU-stack,"",%progbits'; } > $@
$(B)/blobs.o: $(B)/blobs.S | $(TC_READY)
	$(Q)$(CC) -c $< -o $@

$(B)/libudocker.a: $(call obj,$(SRC))
	$(Q)rm -f $@; $(AR) crD $@ $^
COMMON := $(call obj,$(APPLETS) $(EMBEDDED)) $(B)/tables.o $(B)/blobs.o
$(B)/udocker: $(call obj,src/main.cpp) $(COMMON) $(B)/libudocker.a
	$(Q)echo "  LINK $@"; $(CXX) $(OPT) $(LDOPT) -pthread -o $@.full $^ $(ISAL) $(LIBS) && cp $@.full $@.tmp && $(STRIP) $@.tmp && mv $@.tmp $@
$(B)/unit_tests: $(call obj,$(UNIT)) $(if $(filter tsan,$(CONFIG)),$(B)/blobs.o,$(COMMON)) $(B)/libudocker.a
	$(Q)echo "  LINK $@"; $(CXX) $(OPT) $(LDOPT) -pthread -o $@ $^ $(if $(filter release,$(CONFIG)),-L$(TC)/lib) -lgtest -lgmock -lgtest_main $(ISAL) $(LIBS)

FUZZERS := $(patsubst tests/fuzz/%.cpp,$(B)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.cpp))
$(FUZZERS): $(B)/fuzz/%: $(B)/obj/tests/fuzz/%.cpp.o $(COMMON) $(B)/libudocker.a
	$(Q)mkdir -p $(@D); echo "  LINK $@"; $(CXX) $(OPT) -fsanitize=fuzzer -pthread -o $@ $^ $(ISAL) $(LIBS)
fuzzers: $(FUZZERS)

unit: $(B)/unit_tests $(B)/udocker ## build and run the unit tests
	$(Q)$(B)/unit_tests --gtest_brief=1 $(if $(FILTER),--gtest_filter=$(FILTER))
ready-%:
	$(Q)packaging/deps.sh --ensure $*
demo: ready-build ## build the program and run a container with it, as an ordinary user
	$(Q)$(MAKE) all && packaging/demo.sh
fuzz: ## run the fuzz targets (FUZZ_SECONDS=… each; FUZZ=NAME chooses)
	$(Q)$(MAKE) all $(B)/unit_tests && $(MAKE) CONFIG=asan fuzzers && tests/run fuzz
sanitized: ## build the fuzz targets and the unit tests with sanitizers
	$(Q)$(MAKE) CONFIG=asan fuzzers build/asan/unit_tests && $(MAKE) CONFIG=tsan build/tsan/unit_tests
test: ready-test ## build, then pass the tests: checks of the tree, unit tests, end-to-end suites
	$(Q)$(MAKE) check-layers all $(B)/unit_tests && $(if $(SUITES),,tests/toolchain/smoke.sh $(TARGET) && $(MAKE) sanitized &&) CONFIG=$(CONFIG) tests/run $(SUITES)
test-aarch64: ready-aarch64 ## the aarch64 build: unit tests under qemu-user, modes P T F R in a virtual machine (four minutes)
	$(Q)$(MAKE) TARGET=aarch64-linux-musl all build/release-aarch64-linux-musl/unit_tests && tests/aarch64/run
RELEASES := x86_64-linux-musl aarch64-linux-musl
release: ready-release ## make the packages of both architectures in build/packages
	$(Q)rm -rf build/packages && for t in $(RELEASES); do $(MAKE) TARGET=$$t all && packaging/release.sh $$t || exit 1; done
bench: ready-test ## measure side by side with what this machine has
	$(Q)$(MAKE) all && tests/bench/run $(BENCH)
deps: ## install what is needed to build and test (Debian packages, as root)
	$(Q)packaging/deps.sh
check-layers: ## compare #include lines with src/layers.txt
	$(Q)tests/support/check_layers.sh
format: ## format the sources
	$(Q)clang-format -i $$(git ls-files '*.cpp' '*.hpp')
clean: ## remove build/
	$(Q)rm -rf build
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16
.PHONY: fuzz fuzzers sanitized all test-aarch64 release unit deps check-layers format clean help demo test check bench

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/*/*/*.d $(B)/obj/*/*/*/*.d $(B)/free/*/*/*.d $(B)/free/*/*/*/*.d $(B)/*.d)
