# The default build (npm run build:gyp). CMakeLists.txt builds the same targets with the same flags; both read the list
# of sources from native/sources.txt.
{
  'target_defaults': {
    'default_configuration': 'Release',
    'include_dirs': ['native'],
    'defines': ['NDEBUG'],
    # Node.js switches exceptions and run-time types off; the core throws at its boundary and catches there.
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    # One order of arithmetic: the compiler neither fuses nor reorders. Never -ffast-math: linking with it would set
    # FTZ/DAZ for the whole process.
    'cflags_cc': ['-std=c++20', '-ffp-contract=off', '-fno-math-errno', '-fvisibility=hidden', '-Wall', '-Wextra'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_ENABLE_CPP_RTTI': 'YES',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'GCC_OPTIMIZATION_LEVEL': '3',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
      'OTHER_CPLUSPLUSFLAGS': ['-ffp-contract=off', '-fno-math-errno', '-Wall', '-Wextra'],
    },
    'msvs_settings': {
      'VCCLCompilerTool': {
        'ExceptionHandling': 1,
        'AdditionalOptions': ['/std:c++20', '/fp:precise'],
      },
    },
  },
  'targets': [
    {
      'target_name': 'lstm_native_scalar',
      'type': 'static_library',
      'sources': ['<!@(node scripts/native-sources.mjs isa-scalar)'],
    },
    {
      'target_name': 'lstm_native_core',
      'type': 'static_library',
      'sources': ['<!@(node scripts/native-sources.mjs core)'],
      'dependencies': ['lstm_native_scalar'],
      'conditions': [
        ['OS=="linux"', {'cflags_cc': ['-fopenmp']}],
        ['OS=="win"', {'msvs_settings': {'VCCLCompilerTool': {'OpenMP': 'true'}}}],
        ['target_arch=="x64"', {'dependencies': ['lstm_native_avx2', 'lstm_native_avx512']}],
      ],
    },
    {
      'target_name': 'lstm_native',
      'sources': ['<!@(node scripts/native-sources.mjs addon)'],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      # While a worker is being terminated nothing can be thrown into it; giving up quietly is right then.
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS_ALL', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'dependencies': ['lstm_native_core'],
      'conditions': [
        ['OS=="linux"', {
          'libraries': [
            '-fopenmp',
            # The OpenMP team sleeps inside this library, so it must stay mapped when the last worker exits.
            '-Wl,-z,nodelete',
            # A published package carries libgomp beside the addon.
            "-Wl,-rpath,'$$ORIGIN'",
          ],
        }],
        ['OS=="win"', {'msvs_settings': {'VCCLCompilerTool': {'OpenMP': 'true'}}}],
      ],
    },
  ],
  'conditions': [
    # One static library per instruction set, each with its own flags; native/isa/dispatch.cc chooses at run time.
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'lstm_native_avx2',
          'type': 'static_library',
          'sources': ['<!@(node scripts/native-sources.mjs isa-avx2)'],
          'cflags_cc': ['-mavx2', '-mfma', '-mf16c'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mf16c']},
          'msvs_settings': {'VCCLCompilerTool': {'AdditionalOptions': ['/arch:AVX2']}},
        },
        {
          'target_name': 'lstm_native_avx512',
          'type': 'static_library',
          'sources': ['<!@(node scripts/native-sources.mjs isa-avx512)'],
          'cflags_cc': ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'],
          'xcode_settings': {
            'OTHER_CPLUSPLUSFLAGS': ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'],
          },
          'msvs_settings': {'VCCLCompilerTool': {'AdditionalOptions': ['/arch:AVX512']}},
        },
      ],
    }],
  ],
}
