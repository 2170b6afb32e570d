# Thin over Meson: installs what is missing, then hands over.

BUILD ?= build
PREFIX ?= /usr/local

.PHONY: all build-deps test-deps demo test install bench format clean help

all: build-deps $(BUILD)/build.ninja
	@ninja -C $(BUILD)

build-deps:
	@scripts/install-deps build

test-deps:
	@scripts/install-deps test

$(BUILD)/build.ninja: | build-deps
	@meson setup $(BUILD) --prefix=$(PREFIX) -Dtests=false

demo: all
	@scripts/demo $(BUILD)/src/cli/creel

test: test-deps
	@scripts/test

install: all
	@meson install -C $(BUILD) --no-rebuild

bench: all
	@bench/run $(BUILD)

format: test-deps
	@find src tests bench scripts \( -name '*.c' -o -name '*.h' \) -exec clang-format -i {} +

# One stage of the tests: check-format, check-tidy, check-unit ... (scripts/test --list)
check-%: test-deps
	@scripts/test $*

clean:
	@rm -rf $(BUILD) build-test

help:
	@echo 'make            build into $(BUILD)/ (installs missing build packages first)'
	@echo 'make demo       build, then show a command in a sandbox'
	@echo 'make test       build and run every check and test'
	@echo 'make check-X    one stage of them; scripts/test --list names them'
	@echo 'make bench      measure against peers'
	@echo 'make install    install under PREFIX ($(PREFIX)); DESTDIR is honoured'
	@echo 'make format     run clang-format over the code'
	@echo 'make clean      remove the build directories'
