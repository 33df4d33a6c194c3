# The one set of flags for our own code; third-party sources get none of it.
add_library(house INTERFACE)
target_compile_definitions(house INTERFACE _GNU_SOURCE MESHPROOF_VERSION="${PROJECT_VERSION}")
target_include_directories(house INTERFACE ${CMAKE_SOURCE_DIR}/harness ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(house INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
  -Wcast-qual -Wswitch-enum -Wformat=2 -fno-common
  # C has had no implicit declarations since C99, nor pointers of two kinds in one: never only a warning.
  -Werror=implicit-function-declaration -Werror=incompatible-pointer-types -Werror=int-conversion)
if(MESHPROOF_WERROR)
  target_compile_options(house INTERFACE -Werror)
endif()
if(MESHPROOF_SANITIZE)
  target_compile_options(house INTERFACE -fsanitize=${MESHPROOF_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(house INTERFACE -fsanitize=${MESHPROOF_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(house INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE)
  target_link_options(house INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
