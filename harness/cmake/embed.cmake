# RFC 4648's digits of a SHA-256 in hex: the form in which a Content-Security-Policy has it.
function(embed_base64 hex ret)
  set(digits "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  set(text "")
  foreach(at RANGE 0 60 6)
    string(SUBSTRING "${hex}00" ${at} 6 part)
    math(EXPR bits "0x${part}")
    foreach(shift 18 12 6 0)
      math(EXPR digit "(${bits} >> ${shift}) & 63")
      string(SUBSTRING "${digits}" ${digit} 1 digit)
      string(APPEND text "${digit}")
    endforeach()
  endforeach()
  string(SUBSTRING "${text}" 0 43 text) # 32 bytes: the last digit is padding
  set(${ret} "${text}=" PARENT_SCOPE)
endfunction()

# Files that the program carries: lua/std/*.lua, reports/*.schema.json and the parts of our pages become C arrays in
# generated/embed/NAME.h: `static const unsigned char embed_NAME[]` and `embed_NAME_len`, NUL-terminated, and the macro
# embed_NAME_sha256, the hash of the bytes for a Content-Security-Policy: "jNdR...=".
file(GLOB embed_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lua/std/*.lua ${CMAKE_SOURCE_DIR}/reports/*.schema.json
  ${CMAKE_SOURCE_DIR}/reports/page/*.css ${CMAKE_SOURCE_DIR}/reports/page/*.js
  ${CMAKE_SOURCE_DIR}/harness/live/page/*.html ${CMAKE_SOURCE_DIR}/harness/live/page/*.css ${CMAKE_SOURCE_DIR}/harness/live/page/*.js)
foreach(file IN LISTS embed_files)
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "[^A-Za-z0-9]" "_" name ${name})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  file(SHA256 ${file} sha256)
  embed_base64(${sha256} sha256)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/embed/${name}.h CONTENT
"static const unsigned char embed_${name}[] = {${hex}0};\nstatic const size_t embed_${name}_len = sizeof(embed_${name}) - 1;\n#define embed_${name}_sha256 \"${sha256}\"\n")
endforeach()

# The examples, for `meshproof new`: generated/embed/examples.h is one table of all files of suites/examples.
file(GLOB_RECURSE example_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/suites/examples/*.lua ${CMAKE_SOURCE_DIR}/suites/examples/*.yaml)
list(SORT example_files)
set(example_arrays "")
set(example_rows "")
set(example_number 0)
foreach(file IN LISTS example_files)
  file(RELATIVE_PATH path ${CMAKE_SOURCE_DIR}/suites/examples ${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND example_arrays "static const unsigned char example_${example_number}[] = {${hex}0};\n")
  string(APPEND example_rows "    {\"${path}\", example_${example_number}, sizeof(example_${example_number}) - 1},\n")
  math(EXPR example_number "${example_number} + 1")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/embed/examples.h CONTENT
"${example_arrays}static const struct example_file embed_examples[] = {\n${example_rows}};\nstatic const size_t embed_examples_count = sizeof(embed_examples) / sizeof(embed_examples[0]);\n")
