# SPDX-License-Identifier: Apache-2.0
# Link-time optimisation, where compiler, archiver and linker can: HEADROOM_LTO says whether. It is worth some
# nanoseconds a connect() (docs/users/performance.md). Links take a third of a build: -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF
# is for who builds again and again.

include(CheckCSourceCompiles)
include(CheckIPOSupported)

# clang's objects are LLVM's: lld reads them, GNU ld only where LLVM's plugin is installed. CMake's own check asks the
# linker that clang takes by itself, GNU ld here.
set(HEADROOM_LTO OFF)
if(CMAKE_C_COMPILER_ID STREQUAL Clang AND CMAKE_C_COMPILER_AR)
	set(CMAKE_REQUIRED_FLAGS -flto=thin)
	set(CMAKE_REQUIRED_LINK_OPTIONS -fuse-ld=lld)
	check_c_source_compiles("int main(void) { return 0; }" HEADROOM_CLANG_LLD)
	unset(CMAKE_REQUIRED_FLAGS)
	unset(CMAKE_REQUIRED_LINK_OPTIONS)
endif()
if(HEADROOM_CLANG_LLD)
	add_link_options(-fuse-ld=lld)
	set(HEADROOM_LTO ON)
else()
	check_ipo_supported(RESULT HEADROOM_LTO LANGUAGES C OUTPUT HEADROOM_LTO_WHY)
endif()
if(HEADROOM_LTO AND NOT HEADROOM_SANITIZE AND (NOT DEFINED CMAKE_INTERPROCEDURAL_OPTIMIZATION OR
					       CMAKE_INTERPROCEDURAL_OPTIMIZATION))
	set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
else()
	set(HEADROOM_LTO OFF)
endif()
