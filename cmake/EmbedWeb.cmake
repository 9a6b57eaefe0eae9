# cmake -DDIST=folder -DOUT=file.cpp -P EmbedWeb.cmake
# Every file of the folder as bytes of the program (assembler's .incbin), and a table of them. Without
# DIST a page that says what to install.
set(files)
if(DIST)
  file(GLOB_RECURSE files RELATIVE ${DIST} ${DIST}/*)
  list(FILTER files EXCLUDE REGEX "\\.map$")
  list(SORT files)
else()
  get_filename_component(folder ${OUT} DIRECTORY)
  set(DIST ${folder}/no-web)
  file(WRITE ${DIST}/index.html "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Likeness studio</title>
<h1>The studio's page was not built</h1>
<p>This program was built on a machine without node and npm. Install both with
<code>scripts/install-packages</code>, then configure and build again:</p>
<pre>cmake --preset release &amp;&amp; cmake --build --preset release</pre>
<p>The interface under <code>/v1</code> works: see <code>docs/api.md</code>.</p></html>\n")
  set(files index.html)
endif()
set(code "// Made by cmake/EmbedWeb.cmake.\n#include \"likeness/server/web_files.h\"\n")
set(symbols "")
set(table "")
set(number 0)
foreach(file ${files})
  file(SIZE ${DIST}/${file} size)
  file(SHA256 ${DIST}/${file} hash)
  # The hash makes compiler caches see a change of the bytes.
  string(APPEND code "// ${file} ${hash}\n__asm__(\".pushsection .rodata\\n.balign 16\\n.global likeness_web_${number}\\n\"\n"
    "        \"likeness_web_${number}:\\n.incbin \\\"${DIST}/${file}\\\"\\n.byte 0\\n.popsection\\n\");\n")
  string(APPEND symbols "extern \"C\" const char likeness_web_${number}[];\n")
  string(APPEND table "      {\"${file}\", {likeness_web_${number}, ${size}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "${code}${symbols}
namespace likeness::server {
const std::vector<WebFile>& web_files() {
  static const std::vector<WebFile> all = {
${table}  };
  return all;
}
}  // namespace likeness::server
")
