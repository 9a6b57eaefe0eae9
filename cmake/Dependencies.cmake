# Every outside library, in one place: version met on Debian 12 and licence.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET      # 5.1, LGPL/GPL as built by Debian
  libavformat libavcodec libavutil libswscale libswresample libavfilter)
pkg_check_modules(SOXR REQUIRED IMPORTED_TARGET soxr)             # 0.1.3, LGPL-2.1
pkg_check_modules(EBUR128 REQUIRED IMPORTED_TARGET libebur128)    # 1.2.6, MIT
# flite and its voices, 2.2, BSD-like: they speak when nothing else is installed
add_library(flite_voices INTERFACE)
foreach(part cmu_us_slt cmu_us_rms cmu_us_awb cmu_us_kal16 usenglish cmulex)
  find_library(FLITE_${part} flite_${part} REQUIRED)
  target_link_libraries(flite_voices INTERFACE ${FLITE_${part}})
endforeach()
find_library(FLITE_LIBRARY flite REQUIRED)
target_link_libraries(flite_voices INTERFACE ${FLITE_LIBRARY} m)
find_package(OpenCV REQUIRED COMPONENTS core imgproc imgcodecs calib3d video)  # 4.6, Apache-2.0
find_package(Eigen3 REQUIRED NO_MODULE)                # 3.4, MPL-2.0
find_package(SQLiteCpp REQUIRED)                       # 3.2, MIT
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
find_package(CLI11 REQUIRED)                           # 2.3, BSD-3
find_package(spdlog REQUIRED)                          # 1.10, MIT
find_package(fmt REQUIRED)                             # 9.1, MIT
find_package(nlohmann_json REQUIRED)                   # 3.11, MIT
pkg_check_modules(TOMLPP REQUIRED IMPORTED_TARGET tomlplusplus)  # 3.3, MIT
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)      # 3.0, Apache-2.0
# c2pa-rs through its C interface, MIT OR Apache-2.0. Every output proves what it is, so there is no
# build without it (docs/adr/0005-c2pa-library.md). The library has no SONAME.
find_library(C2PA_LIBRARY c2pa_c HINTS $ENV{LIKENESS_C2PA}/lib ${CMAKE_SOURCE_DIR}/.cache/c2pa/lib
  PATHS /usr/lib/likeness)
if(NOT C2PA_LIBRARY)
  message(FATAL_ERROR "the C2PA library is not installed; run: scripts/install-c2pa")
endif()
add_library(c2pa_c SHARED IMPORTED GLOBAL)
set_target_properties(c2pa_c PROPERTIES IMPORTED_LOCATION ${C2PA_LIBRARY} IMPORTED_NO_SONAME TRUE)
find_package(ZLIB REQUIRED)                            # 1.2, Zlib; the studio's page, compressed
find_package(Boost 1.74 REQUIRED)                      # BSL-1.0; headers only: Beast, Asio
find_package(GTest REQUIRED)                           # 1.12, BSD-3
if(LIKENESS_TORCH)
  find_package(Torch REQUIRED)                         # 1.13 or newer, BSD-3
endif()

# What every target is compiled with, and nothing else but definitions: precompiled headers need that. CMake's own
# choice is -fPIE for programs and -fPIC for libraries; libtorch's ABI flag and OpenMP would come in with libtorch.
add_library(likeness_flags INTERFACE)
target_link_libraries(likeness_flags INTERFACE Threads::Threads)
target_compile_options(likeness_flags INTERFACE -fPIC)
if(LIKENESS_TORCH)
  find_package(OpenMP REQUIRED COMPONENTS CXX)  # libtorch's own threads; GCC runtime
  target_link_libraries(likeness_flags INTERFACE OpenMP::OpenMP_CXX)
  separate_arguments(torch_flags NATIVE_COMMAND "${TORCH_CXX_FLAGS}")
  target_compile_options(likeness_flags INTERFACE ${torch_flags})
endif()
if(LIKENESS_ARCH AND NOT LIKENESS_SANITIZE)
  target_compile_options(likeness_flags INTERFACE -march=${LIKENESS_ARCH})
endif()
if(LIKENESS_SANITIZE)
  target_compile_options(likeness_flags INTERFACE
    -fsanitize=${LIKENESS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(likeness_flags INTERFACE -fsanitize=${LIKENESS_SANITIZE})
endif()
if(LIKENESS_FUZZ)
  # These three find little that AddressSanitizer does not, and cost a fifth of the compile time.
  target_compile_options(likeness_flags INTERFACE -fsanitize=fuzzer-no-link
    -fno-sanitize=vptr,null,object-size)
endif()

add_library(likeness_warnings INTERFACE)
target_compile_options(likeness_warnings INTERFACE -Wall -Wextra -Wno-unused-parameter -Wno-psabi -Wno-missing-field-initializers)
if(LIKENESS_WERROR)
  target_compile_options(likeness_warnings INTERFACE -Werror)
endif()
