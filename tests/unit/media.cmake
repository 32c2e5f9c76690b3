# Pixel code: JPEG, scaling, drawing, the barcode.
troupe_unit_test(test_media SOURCES test_media.c LINK troupe_media)
troupe_unit_test(test_jpeg_file SOURCES test_jpeg_file.c LINK troupe_media)
troupe_unit_test(test_h264 SOURCES test_h264.c LINK troupe_media)
add_dependencies(test_h264 media_module)
