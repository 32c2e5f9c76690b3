# cmake -DOUT=assets.c "-DFILES=a.html;b.css" -P embed.cmake: writes the files as C arrays with their table.
set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(arrays "")
set(rows "")
set(n 0)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  get_filename_component(extension ${file} LAST_EXT)
  string(SUBSTRING ${extension} 1 -1 extension)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const unsigned char bytes_${n}[] = {\n${bytes}};\n\n")
  string(APPEND rows "\t{\"${name}\", \"${type_${extension}}\", bytes_${n}, sizeof(bytes_${n})},\n")
  math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUT} "/* Written by embed.cmake; the sources are in workers/display/page/. */
#include \"workers/display/assets.h\"

${arrays}const struct asset assets[] = {
${rows}};
const size_t n_assets = sizeof(assets) / sizeof(assets[0]);
")
