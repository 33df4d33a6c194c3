# Files that the program carries: lua/std/*.lua and reports/*.schema.json become C arrays in
# generated/embed/NAME.h: `static const unsigned char embed_NAME[]` and `embed_NAME_len`, NUL-terminated.
file(GLOB embed_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lua/std/*.lua ${CMAKE_SOURCE_DIR}/reports/*.schema.json)
foreach(file IN LISTS embed_files)
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "[^A-Za-z0-9]" "_" name ${name})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/embed/${name}.h CONTENT
"static const unsigned char embed_${name}[] = {${hex}0};\nstatic const size_t embed_${name}_len = sizeof(embed_${name}) - 1;\n")
endforeach()
