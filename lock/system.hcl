# What the named contexts base and python are made from. `sagebuild lock` renews the pins: versions and
# hashes of packages, hashes of modules and trees. Suites, package lists and module versions are edited here.

architecture = "amd64"
epoch        = 315532800

base {
  suite = "bookworm"
  include = [
    "base-files", "base-passwd", "ca-certificates", "coreutils", "dash", "dpkg", "libbz2-1.0", "libc-bin", "libexpat1",
    "libffi8", "libgomp1", "liblzma5", "libncursesw6", "libreadline8", "libsqlite3-0", "libssl3", "libstdc++6",
    "libuuid1", "ncurses-base", "python3", "python3-pip-whl", "zlib1g",
  ]
  packages = {
    "base-files"            = "12.4+deb12u15 sha256:3eb1ea6d85488f488cc2a163b98ad640ef88cee4c79287cf14e361aaf6206f47"
    "base-passwd"           = "3.6.1 sha256:908ca1b35125f49125ae56945a72bc11ce0fcec85a8d980d10d83bb3a610f518"
    "ca-certificates"       = "20230311+deb12u1 sha256:0d5f444f594e48c1e16a41d8fc628a09b24c658916a1274025c2330f2a802bed"
    "coreutils"             = "9.1-1 sha256:61038f857e346e8500adf53a2a0a20859f4d3a3b51570cc876b153a2d51a3091"
    "dash"                  = "0.5.12-2 sha256:33ea40061da2f1a861ec46212b2b6a34f0776a049b1a3f0abce2fb8cb994258f"
    "debconf"               = "1.5.82 sha256:74ab14194a3762b2fc717917dcfda42929ab98e3c59295a063344dc551cd7cc8"
    "debianutils"           = "5.7-0.5~deb12u1 sha256:55f951359670eb3236c9e2ccd5fac9ccb3db734f5a22aff21589e7a30aee48c9"
    "dpkg"                  = "1.21.23 sha256:f89e9f8d1a4a50ade44be3ed59a6ec55460fce205d2f8520c5c492137c5b609b"
    "gcc-12-base"           = "12.2.0-14+deb12u1 sha256:1896a2aacf4ad681ff5eacc24a5b0ca4d5d9c9b9c9e4b6de5197bc1e116ea619"
    "libacl1"               = "2.3.1-3 sha256:8be9df5795114bfe90e2be3d208ef47a5edd3fc7b3e20d387a597486d444e5e2"
    "libattr1"              = "1:2.5.1-4 sha256:c4945123d66d0503ba42e2fc0585abc76d0838978c6d277b9cc37a4da25d1a34"
    "libbz2-1.0"            = "1.0.8-5+b1 sha256:54149da3f44b22d523b26b692033b84503d822cc5122fed606ea69cc83ca5aeb"
    "libc-bin"              = "2.36-9+deb12u14 sha256:e667401af91fad95f15b3ebd25d1abd8373fd18b00dc32219678413170544e84"
    "libc6"                 = "2.36-9+deb12u14 sha256:ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf"
    "libcom-err2"           = "1.47.0-2+b2 sha256:a2bac7015e78fbc0c504df3e441f3a22292f1d2d77f9ccda760057f3690e22f2"
    "libcrypt1"             = "1:4.4.33-2 sha256:f5f60a5cdfd4e4eaa9438ade5078a57741a7a78d659fcb0c701204f523e8bd29"
    "libdb5.3"              = "5.3.28+dfsg2-1 sha256:7dc5127b8dd0da80e992ba594954c005ae4359d839a24eb65d0d8129b5235c84"
    "libdebconfclient0"     = "0.270 sha256:7d2b2b700bae0ba67a13655fabba6a98da3f6ce7dee43d1ee0ac433b7ca1d947"
    "libexpat1"             = "2.5.0-1+deb12u2 sha256:2255e62fc22a86d2c544b8a3f516da9aee19383ad5742722ab4ce7f66a30dbc8"
    "libffi8"               = "3.4.4-1 sha256:6d9f6c25c30efccce6d4bceaa48ea86c329a3432abb360a141f76ac223a4c34a"
    "libgcc-s1"             = "12.2.0-14+deb12u1 sha256:3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7"
    "libgmp10"              = "2:6.2.1+dfsg1-1.1 sha256:187aedef2ed763f425c1e523753b9719677633c7eede660401739e9c893482bd"
    "libgomp1"              = "12.2.0-14+deb12u1 sha256:48fec46bda7f5b1638b9e959889bfbc20491247d402d120bb152687eb48143d7"
    "libgssapi-krb5-2"      = "1.20.1-2+deb12u5 sha256:d8b87aea91b956b416c01a28c44ff6228315ae3b73de40acddac3dc5043607d2"
    "libk5crypto3"          = "1.20.1-2+deb12u5 sha256:7b6e47d15c5c9cdcd456137533d8308aeba608a54cec73b28bd59bfc4b54cf06"
    "libkeyutils1"          = "1.6.3-2 sha256:cfac89e6a7a54ff3c6a4f843310e25efeddaa771baeae470bd98bd588c373563"
    "libkrb5-3"             = "1.20.1-2+deb12u5 sha256:c90801be09701af221b54dd502a59cb378b7284ff31e480738baca317d2f7653"
    "libkrb5support0"       = "1.20.1-2+deb12u5 sha256:8b9c05f2d8d461a10d657b118f572af5bf8fd6c8f93dcef81e852c5ab0f428ab"
    "liblzma5"              = "5.4.1-1+deb12u1 sha256:f96d8876b53ec89d76a992bc199679b818cf518225a768954d9451fb556a4eb7"
    "libmd0"                = "1.0.4-2 sha256:03539fd30c509e27101d13a56e52eda9062bdf1aefe337c07ab56def25a13eab"
    "libncursesw6"          = "6.4-4 sha256:98fa7a53dc565a38b65fb70422ad08001bf5361d8fbc74255280c329996a6bec"
    "libnsl2"               = "1.3.0-2 sha256:c0d83437fdb016cb289436f49f28a36be44b3e8f1f2498c7e3a095f709c0d6f8"
    "libpcre2-8-0"          = "10.42-1 sha256:030db54f4d76cdfe2bf0e8eb5f9efea0233ab3c7aa942d672c7b63b52dbaf935"
    "libpython3-stdlib"     = "3.11.2-1+b1 sha256:4e58891d5c951a1e360ed9eaa814413cb5e84deadce3f08e801ac680434c786e"
    "libpython3.11-minimal" = "3.11.2-6+deb12u8 sha256:f3beaa03994ffedacf73c43a0843d53b062d347115d8af65bee2034552a4e6f9"
    "libpython3.11-stdlib"  = "3.11.2-6+deb12u8 sha256:890b3540dad8a1ccc0deeca025db735bcc82629a76adacbe3b50fcc06ed528ca"
    "libreadline8"          = "8.2-1.3 sha256:e02ebbd3701cf468dbf98d6d917fbe0325e881f07fe8b316150c8d2a64486e66"
    "libselinux1"           = "3.4-1+b6 sha256:2b07f5287b9105f40158b56e4d70cc1652dac56a408f3507b4ab3d061eed425f"
    "libsqlite3-0"          = "3.40.1-2+deb12u2 sha256:a8d78b40e9b4e422224aeebfe0e4dfc243f6acf3532490b0c05480d4283d41e2"
    "libssl3"               = "3.0.20-1~deb12u2 sha256:89be24b41bff568ee6e7caf5680a3d808e80315ed92e407056ce0fa7a5bda025"
    "libstdc++6"            = "12.2.0-14+deb12u1 sha256:5cd3171216d4ab0fc911cfe9c35509bf2dd8f47761c43b7f6a4296701551a24d"
    "libtinfo6"             = "6.4-4 sha256:072d908f38f51090ca28ca5afa3b46b2957dc61fe35094c0b851426859a49a51"
    "libtirpc-common"       = "1.3.3+ds-1 sha256:3e3ef129b4bf61513144236e15e1b4ec57fa5ae3dc8a72137abdbefb7a63af85"
    "libtirpc3"             = "1.3.3+ds-1 sha256:2a46d5a5e9486da11ffeff5740931740d6deae4f92cd6098df060dc5dff1e1c7"
    "libuuid1"              = "2.38.1-5+deb12u3 sha256:5fff398321da62d28a842bcbabd193d72ae21724962c029dc32b1dc6b2deaeaf"
    "libzstd1"              = "1.5.4+dfsg2-5 sha256:6315b5ac38b724a710fb96bf1042019398cb656718b1522279a5185ed39318fa"
    "mawk"                  = "1.3.4.20200120-3.1 sha256:bcbc83f391854ea9d50ce2a4101aacf330de3b8b71d81a798faadba14a157f78"
    "media-types"           = "10.0.0 sha256:aaa46dcb3b39948ae2e0fdb72cfcb2f48c0b59f19785a3da8045c05eb19955dd"
    "ncurses-base"          = "6.4-4 sha256:bfd1d89f833c09a28b062ee916495cf69649ca2bf529532476c7b69d75d24909"
    "openssl"               = "3.0.20-1~deb12u2 sha256:4d218561dc838de081de97f54584c4a29e77e26c7ed9fe3440d776d8e6071bf9"
    "python3"               = "3.11.2-1+b1 sha256:33f6dafbd1a6902d9063172ec7dbd4b2225e12009e0d7ec5c933a72c2f5f3b74"
    "python3-minimal"       = "3.11.2-1+b1 sha256:30f9618670e686d781afbfc713eb0830c29d2819e9cb2a0488800dad6bb99faa"
    "python3-pip-whl"       = "23.0.1+dfsg-1 sha256:cc373690a1cb469fb301b9fe0125048e3102f2e365d1b2d27cab091ec89fccdc"
    "python3.11"            = "3.11.2-6+deb12u8 sha256:cd7b10c24281416a6acb22cd23ed7391c7dddd4a3d4d4a63d37faa786639b5de"
    "python3.11-minimal"    = "3.11.2-6+deb12u8 sha256:4aba533f7cc5e7b93b7ff24482840e96813f5bcde9cce028395b65a0d799ccee"
    "readline-common"       = "8.2-1.3 sha256:69317523fe56429aa361545416ad339d138c1500e5a604856a80dd9074b4e35c"
    "tar"                   = "1.34+dfsg-1.2+deb12u1 sha256:24fb92e98c2969171f81a8b589263d705f6b1670f95d121cd74c810d4605acc3"
    "zlib1g"                = "1:1.2.13.dfsg-1 sha256:d7dd1d1411fedf27f5e27650a6eff20ef294077b568f4c8c5e51466dc7c08ce4"
  }
}

python "3.9" {
  debian {
    suite = "bullseye"
    include = [
      "libffi7", "libmpdec3", "libpython3.9-minimal", "libpython3.9-stdlib", "libssl1.1", "python3-distutils",
      "python3-lib2to3", "python3.9-minimal",
    ]
    packages = {
      "libffi7"              = "3.3-6 sha256:30ca89bfddae5fa6e0a2a044f22b6e50cd17c4bc6bc850c579819aeab7101f0f"
      "libmpdec3"            = "2.5.1-1 sha256:816404866f754d5662d69db50072018dccb78cf372fc38e0be961fab0f57d741"
      "libpython3.9-minimal" = "3.9.2-1 sha256:594283526d67e03e3c4e96534f6bfe5da1bf41da5d49360553c9b79fbf08c4ab"
      "libpython3.9-stdlib"  = "3.9.2-1 sha256:32ac64d959ac2dbc5bb289532fc9834dab8f671b5455695a3a9315aad973c65b"
      "libssl1.1"            = "1.1.1w-0+deb11u1 sha256:aadf8b4b197335645b230c2839b4517aa444fd2e8f434e5438c48a18857988f7"
      "python3-distutils"    = "3.9.2-1 sha256:05ec4080e0f05ba6b1c339d89c97f6343919be450b66cf4cfb215f54dcb85e58"
      "python3-lib2to3"      = "3.9.2-1 sha256:802c198e5dd0b5af85a6937e426a85d616680785e8d18148fac451281a83a9a9"
      "python3.9-minimal"    = "3.9.2-1 sha256:5d6003c5c20223a2547ac4976e09a9ec778dbe351507a6292bef3b60df5f4aa7"
    }
  }
  tree = "sha256:6899fcb8a605f13babf8b9badf982aa2873b5c18f8a61108aeba749d3a586f0a"
}

python "3.10" {
  module {
    path    = "github.com/kluctl/go-embed-python"
    version = "v0.0.0-3.10.16-20241219-1"
    sum     = "h1:bfJRrtWlbdrPtwXXXZzA95yj2Pr9AvSbxDEm8YvbaP0="
  }
  tree = "sha256:0ad834d9007ee35760e191860343d614372ab76bfa6eb8b45c5410499073495c"
}

python "3.11" {
  module {
    path    = "github.com/kluctl/go-embed-python"
    version = "v0.0.0-3.11.11-20241219-1"
    sum     = "h1:yVXFTxa6cvhLC6TwkDEHmNaiWlDyaFEGiXd1DQdoeOU="
  }
  tree = "sha256:921e9aea7754e599d212d94ecdc374a90f40e111ba113ec4bddebc3d3111d09f"
}

python "3.12" {
  module {
    path    = "github.com/kluctl/go-embed-python"
    version = "v0.0.0-3.12.3-20240415-1"
    sum     = "h1:IX2O3LJUL0AjYsROGZ4aNENTEb3c/Ll/0b9Yb/8P61Q="
  }
  tree = "sha256:4a42f9af1b010815337ee5f558723f6dfbdd518b7bef4fdbc2d4441d53fb44f5"
}

python "3.13" {
  module {
    path    = "github.com/kluctl/go-embed-python"
    version = "v0.0.0-3.13.1-20241219-1"
    sum     = "h1:x1cSEj4Ug5mpuZgUHLvUmlc5r//KHFn6iYiRSrRcVy4="
  }
  tree = "sha256:38d3a91b0aab5c9b05b8c55a9943de46132064fdb2725ffe0b03152665124d7d"
}

python "3.14" {
  module {
    path    = "github.com/kluctl/go-embed-python"
    version = "v0.0.0-3.14.6-20260610-1"
    sum     = "h1:oGUS7++Wm3LgxUfD6AmJgKbKQD2wdQFO9PzyJv6T+E4="
  }
  tree = "sha256:665c709f9fc3fbcc743dfd63f2ee1a176d5c17f6532e7106e845a00b51a4b2b6"
}

platform "linux-arm64" {
  machine = "linux-arm64"
  image   = "arm64"
  emulator {
    suite   = "bookworm"
    include = ["qemu-user"]
    packages = {
      "libblkid1"     = "2.38.1-5+deb12u3 sha256:5a083377f29191cafcdf0f91ec124349b4a7895b531556633a136e43c6d53943"
      "libcapstone4"  = "4.0.2-5 sha256:41277f0388184f6e3b9fc02eda3184afbc999314b25b77ed75e8049428bdfe5e"
      "libglib2.0-0"  = "2.74.6-2+deb12u9 sha256:7ff85197685d89e150e342b29a59aab1beee400050ba7da73de81cd999ffee5a"
      "libgnutls30"   = "3.7.9-2+deb12u7 sha256:30abec8c824feb1d2d7e9000a34083cccd19d139625e1b21547e3ac53b922f8e"
      "libhogweed6"   = "3.8.1-2 sha256:ed8185c28b2cb519744a5a462dcd720d3b332c9b88a1d0002eac06dc8550cb94"
      "libidn2-0"     = "2.3.3-1+b1 sha256:d50716d5824083d667427817d506b45d3f59dc77e1ca52de000f3f62d4918afa"
      "libmount1"     = "2.38.1-5+deb12u3 sha256:f46e2d6b006951825adde9757790b6609d7c66c7700f9b68f3db913eaac323c3"
      "libnettle8"    = "3.8.1-2 sha256:45922e6e289ffd92f0f92d2bb9159e84236ff202d552a461bf10e5335b3f0261"
      "libnuma1"      = "2.0.16-1 sha256:639e1ab6bd66ead40db8a22c332d7199679fa22db261cac34444eb8eb4c17dda"
      "libp11-kit0"   = "0.24.1-2 sha256:251330faddbf013f060fcdb41f4b0c037c8a6e89ba7c09b04bfcc4e3f0807b22"
      "libtasn1-6"    = "4.19.0-2+deb12u1 sha256:2c27c613b69be248d09432839ea3d3382f6ee27fabaa65987aa2d884cd00afda"
      "libunistring2" = "1.0-2 sha256:d466bbfe011d764d793c1d9d777cad9c7cf65b938e11598f27408171ad95a951"
      "liburing2"     = "2.3-3 sha256:c23077e3640e6cb4b819c134b3f41d5cf21b3edac099654b1b4142c3069a39a3"
      "qemu-user"     = "1:7.2+dfsg-7+deb12u18+b3 sha256:02a7d6a2675a12dd7fdd474924295552470c0c933e0b543975887f493a84219f"
    }
  }

  libraries {
    suite   = "bookworm"
    include = ["libc6", "libcrypt1", "libgcc-s1", "libstdc++6", "zlib1g"]
    packages = {
      "libc6"      = "2.36-9+deb12u14 sha256:01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4"
      "libcrypt1"  = "1:4.4.33-2 sha256:eea0ad76ea5eb507127fea0c291622ea4ecdbb71c4b9a8ed9c76ae33fc1a0127"
      "libgcc-s1"  = "12.2.0-14+deb12u1 sha256:576926b283613db80168ddf76380a3bd877602778cf0d226caa7bfbfa71eacf3"
      "libstdc++6" = "12.2.0-14+deb12u1 sha256:26e138c677a985775331373828a6c286c551ff397cb735d00e2383cb273d1cb2"
      "zlib1g"     = "1:1.2.13.dfsg-1 sha256:52b8b8a145bbe1956bba82034f77022cbef0c3d0885c9e32d9817a7932fe1913"
    }
  }

  python "3.10" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.10.16-20241219-1"
      sum     = "h1:bfJRrtWlbdrPtwXXXZzA95yj2Pr9AvSbxDEm8YvbaP0="
    }
    tree = "sha256:a2f00f98b44b30cb58a1b1179c15c69de3fa7c588a6d425310929bd3568037b3"
  }

  python "3.11" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.11.11-20241219-1"
      sum     = "h1:yVXFTxa6cvhLC6TwkDEHmNaiWlDyaFEGiXd1DQdoeOU="
    }
    tree = "sha256:b9a1674444d6fe350d34bbfb2cbcad774a5e505950a4b722127b3c740e789169"
  }

  python "3.12" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.12.3-20240415-1"
      sum     = "h1:IX2O3LJUL0AjYsROGZ4aNENTEb3c/Ll/0b9Yb/8P61Q="
    }
    tree = "sha256:1a54507ea3845da5a73f2ef76949a25a80fa31fb08ded0a65953cf7101e1fae6"
  }

  python "3.13" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.13.1-20241219-1"
      sum     = "h1:x1cSEj4Ug5mpuZgUHLvUmlc5r//KHFn6iYiRSrRcVy4="
    }
    tree = "sha256:43652be7ecea78613e5c5d982e94323012c68786bd439ca8a15b07eac1630143"
  }
}

platform "windows" {
  machine = "windows-amd64"
  image   = "amd64"
  emulator {
    suite   = "bookworm"
    include = ["wine64"]
    packages = {
      "fontconfig-config"              = "2.14.1-4 sha256:281c66e46b95f045a0282a6c7a03b33de0e9a08d016897a759aaf4a04adfddbe"
      "fonts-dejavu-core"              = "2.37-6 sha256:8892669e51aab4dc56682c8e39d8ddb7d70fad83c369344e1e240bf3ca22bb76"
      "iso-codes"                      = "4.15.0-1 sha256:b1beb869303229c38288d4ddacfd582c91f594759b5767c9cecebd87f16ff70e"
      "libabsl20220623"                = "20220623.1-1+deb12u2 sha256:3fb1a98ff3a1b7b27cd3b2544e033af3bc3419d82f33bbe3f3d5faa07b400eb5"
      "libaom3"                        = "3.6.0-1+deb12u2 sha256:33fd9b3af7c1bf65fd7e603d60f5034ac3bc0b4eefdabd8c33de8daff0e87205"
      "libasound2"                     = "1.2.8-1+b1 sha256:44c77b076a7b11ae99712439022d822245b1994c435da564ebd320bb676faf4c"
      "libasound2-data"                = "1.2.8-1 sha256:fe0780d2d3674b2977e0acb0d48b448ad72ba1642564b7dc537f55e839984c2d"
      "libasyncns0"                    = "0.8-6+b3 sha256:cadaff99f4178b1f580331045621b363abaaefc994e78eecba1857774a3cead2"
      "libavif15"                      = "0.11.1-1+deb12u1 sha256:c79d57f0f62d67d2353765592fb4f519119392befa53d27a34c9d0348cd580a3"
      "libblkid1"                      = "2.38.1-5+deb12u3 sha256:5a083377f29191cafcdf0f91ec124349b4a7895b531556633a136e43c6d53943"
      "libbrotli1"                     = "1.0.9-2+b6 sha256:563b4caec1aa5e876bd3355b36e7a38e1484baf5a293b48d1e8bd22db786e4d7"
      "libbsd0"                        = "0.11.7-2 sha256:bb31cc8b40f962a85b2cec970f7f79cc704a1ae4bad24257a822055404b2c60b"
      "libcap2"                        = "1:2.66-4+deb12u3+b1 sha256:8d684c673e7483802a5c447834b0df6fce006eb3a7109e1be412f5ad425bb24f"
      "libcap2-bin"                    = "1:2.66-4+deb12u3+b1 sha256:e7e14ebae53ef34c881a557e0a6d125b5e6721b692999045cf6af962daebe8d6"
      "libcapi20-3"                    = "1:3.27-3+b1 sha256:c2b9518d5457e4495a85334ff4b5d5abd8d15ef2b80a153aa2f95a920d4aeff1"
      "libcurl4"                       = "7.88.1-10+deb12u15 sha256:3042904de01f9c4fbdcf1452b8f81abedcf2b015f9b9deba109063322b5bd68b"
      "libdav1d6"                      = "1.0.0-2+deb12u1 sha256:197f08108242177aeae4c04aac11825c39b7d18598191ab769f910687ccb387f"
      "libdbus-1-3"                    = "1.14.10-1~deb12u1 sha256:18ee0ce5fab9f7b671e87da1e9fa18660e36e04a3402f24bdb8635e0ba1d35f6"
      "libde265-0"                     = "1.0.11-1+deb12u2 sha256:cef2a550eb3aa0f7d01799a3ab5d5c10b48d0184c41d23ebdefd2e43f0800f42"
      "libdeflate0"                    = "1.14-1 sha256:3d4b39f94317b64a860db8a7a8b581b555124cd461fe07ec0d347edbdb9f6683"
      "libdw1"                         = "0.188-2.1 sha256:ffd7b1bad982ad1afd9c2b75ab2edd18e229508df731a8f4d8443f093a91442f"
      "libelf1"                        = "0.188-2.1 sha256:619add379c606b3ac6c1a175853b918e6939598a83d8ebadf3bdfd50d10b3c8c"
      "libexif12"                      = "0.6.24-1+deb12u1 sha256:93889c7fd57bcb0311209f983704373f5f8eb8395b05efd1169dc133adc7beb9"
      "libflac12"                      = "1.4.2+ds-2 sha256:4d8431c274eef13ec9ee2c0bf988c34b4342367dec053b7f69a432525be5b1fe"
      "libfontconfig1"                 = "2.14.1-4 sha256:16ee38d374e064f534116dc442b086ef26f9831f1c0af7e5fb4fe4512e700649"
      "libfreetype6"                   = "2.12.1+dfsg-5+deb12u4 sha256:8043e479f73f29992d652e3f9dfe8b17f9780c7ea6330afe379ec5f9f188ac44"
      "libgav1-1"                      = "0.18.0-1+b1 sha256:4cf64c4e1168f3c7e858bb4a71f2c5bea9a36dd448cdcc2154a551ac146e293b"
      "libgcrypt20"                    = "1.10.1-3+deb12u1 sha256:e7a56552139c693904a6f9712234c05fe918353273a7cbdb5e62f423ad71bb97"
      "libgd3"                         = "2.3.3-9 sha256:d3564267cef9f0162ad21b73d34b6a4302ee3a84426188168d74be737b079647"
      "libglib2.0-0"                   = "2.74.6-2+deb12u9 sha256:7ff85197685d89e150e342b29a59aab1beee400050ba7da73de81cd999ffee5a"
      "libgnutls30"                    = "3.7.9-2+deb12u7 sha256:30abec8c824feb1d2d7e9000a34083cccd19d139625e1b21547e3ac53b922f8e"
      "libgpg-error0"                  = "1.46-1 sha256:89944ee11d7370ce6ef46fc52f094c4a6512eff8943ec4c6ebefeae6360ceada"
      "libgphoto2-6"                   = "2.5.30-1 sha256:63db08e7970759446d16420ad2d89041fef383dd290e63bdcb4629276c6b33b7"
      "libgphoto2-port12"              = "2.5.30-1 sha256:82e017750aa6db74d8b4456c449d8353d6a56791aee50c032827f5ffc7c3a4b2"
      "libgstreamer-plugins-base1.0-0" = "1.22.0-3+deb12u6 sha256:28a543ac3b395b38dac16e98597a3a2d1b09b0183ac6ec70675c5d468dfb4874"
      "libgstreamer1.0-0"              = "1.22.0-2+deb12u1 sha256:97fa34146e892871db0b60b70494b238519c5ae906ddbdd31c39a5a77b5e5499"
      "libheif1"                       = "1.15.1-1+deb12u1 sha256:13a0a3a6e22ddf5eb891b7c7873ace79f13f2c96473576e5f7da2ae3228a2113"
      "libhogweed6"                    = "3.8.1-2 sha256:ed8185c28b2cb519744a5a462dcd720d3b332c9b88a1d0002eac06dc8550cb94"
      "libicu72"                       = "72.1-3+deb12u1 sha256:f7f6f99c6d7b025914df2447fc93e11d22c44c0c8bdd8b6f36691c9e7ddcef88"
      "libidn2-0"                      = "2.3.3-1+b1 sha256:d50716d5824083d667427817d506b45d3f59dc77e1ca52de000f3f62d4918afa"
      "libjbig0"                       = "2.1-6.1 sha256:6b07c77b700a615642888a82ba92a7e7c429d04b9c8669c62b2263f15c4c4059"
      "libjpeg62-turbo"                = "1:2.1.5-2 sha256:95ec30140789a342add8f8371ed018924de51b539056522b66f207b25cba9cad"
      "libldap-2.5-0"                  = "2.5.13+dfsg-5 sha256:4b6c30f6554149c594628d945edc6003f0eea8d0cc1341638c0e71375db147ed"
      "liblerc4"                       = "4.0.0+ds-2 sha256:771f5c47ca69f24ca61e4be0c98c5912b182ce442f921697d17a472f3ded5c9c"
      "libltdl7"                       = "2.4.7-7~deb12u1 sha256:8070b550321d4bd1c298f52f75374898d39112b709026d2ea5362ef1277b775a"
      "liblz4-1"                       = "1.9.4-1 sha256:64cde86cef1deaf828bd60297839b59710b5cd8dc50efd4f12643caaee9389d3"
      "libmount1"                      = "2.38.1-5+deb12u3 sha256:f46e2d6b006951825adde9757790b6609d7c66c7700f9b68f3db913eaac323c3"
      "libmp3lame0"                    = "3.100-6 sha256:b1292c749172e7623547ecf684da57d3ec6ca22109f08b11bbb9e6be6e6beb95"
      "libmpg123-0"                    = "1.31.2-1+deb12u1 sha256:a10ad0d59995b859797a5f20d2833672051d0b2c7dab4c71f2e79258b2e3f631"
      "libnettle8"                     = "3.8.1-2 sha256:45922e6e289ffd92f0f92d2bb9159e84236ff202d552a461bf10e5335b3f0261"
      "libnghttp2-14"                  = "1.52.0-1+deb12u3 sha256:5a5736cee57e51c1baed869979e6ecdbc6495e939e33203d6cfe3b6e5a149e3f"
      "libnuma1"                       = "2.0.16-1 sha256:639e1ab6bd66ead40db8a22c332d7199679fa22db261cac34444eb8eb4c17dda"
      "libogg0"                        = "1.3.5-3 sha256:f67acb0477aed0354f411172e37af338f3ac6bd4f3766134a2cf5539884b5a28"
      "libopus0"                       = "1.3.1-3 sha256:c172e212f9039e741916aa8e12f3670d1e049dc0c16685325641288c2d83faa7"
      "liborc-0.4-0"                   = "1:0.4.33-2 sha256:f2b775c4281fc4d02432833cef274cfaa927a446bdf619f02292bd83b201fe3a"
      "libp11-kit0"                    = "0.24.1-2 sha256:251330faddbf013f060fcdb41f4b0c037c8a6e89ba7c09b04bfcc4e3f0807b22"
      "libpcap0.8"                     = "1.10.3-1 sha256:856014904c4d7ec9a9ba864c546d91c059b9bf00c7c89eda6fd0a16045f8faac"
      "libpng16-16"                    = "1.6.39-2+deb12u5 sha256:a56d64bfaa9da12aafb83347909e62e6fd5fd251e6b34c194065911a30359978"
      "libpsl5"                        = "0.21.2-1 sha256:4f0d35610204e4e754b057748719744114621f2f6f4202d846c314860a981afb"
      "libpulse0"                      = "16.1+dfsg1-2+b1 sha256:7b2c5403cb726312219aad678becc6d6adcee1d8694fdffce0b6ec15ae010831"
      "librav1e0"                      = "0.5.1-6 sha256:c266adb3545b0b8ff6450dbd09f85f19361bf5bc9290ddf2e869f040cb9725b7"
      "librtmp1"                       = "2.4+20151223.gitfa8646d.1-2+b2 sha256:e1f69020dc2c466e421ec6a58406b643be8b5c382abf0f8989011c1d3df91c87"
      "libsasl2-2"                     = "2.1.28+dfsg-10 sha256:11ee190ad39f8d7af441d2c8347388b9449434c73acc67b4b372445ac4152efa"
      "libsasl2-modules-db"            = "2.1.28+dfsg-10 sha256:3ac4fd6cbe3b3b06e68d24b931bf3eb9385b42f15604a37ed25310e948ca0ee6"
      "libsndfile1"                    = "1.2.0-1+deb12u1 sha256:02dc3f08fe8476e82e005f412e3b7289ff641180f33a9be8073f4bde61c85e8e"
      "libssh2-1"                      = "1.10.0-3+b1 sha256:d20a3ee34fa84ad8bd381e8be6e9c2c2ea32347cff5e1169c10e978d43f54f24"
      "libsvtav1enc1"                  = "1.4.1+dfsg-1 sha256:e0f6e357f327e80f26438dcda9c9304c43e2f3343359c6a5075d0b10ddfdb05d"
      "libsystemd0"                    = "252.39-1~deb12u2 sha256:013c07514a9e4933b2d5c098018695a6aa42d085dbc483ce2c094a954c8a1b0a"
      "libtasn1-6"                     = "4.19.0-2+deb12u1 sha256:2c27c613b69be248d09432839ea3d3382f6ee27fabaa65987aa2d884cd00afda"
      "libtiff6"                       = "4.5.0-6+deb12u4 sha256:255cd1d9f204355c366638ee21756234a8d43c03a3de18a5af6cdd94765b5053"
      "libudev1"                       = "252.39-1~deb12u2 sha256:6f7e08f11c4809d2e5998c775f7b423ab5ec2ce0309494b4a2615037052245e2"
      "libunistring2"                  = "1.0-2 sha256:d466bbfe011d764d793c1d9d777cad9c7cf65b938e11598f27408171ad95a951"
      "libunwind8"                     = "1.6.2-3 sha256:7b297868682836e4c87be349f17e4a56bc287586e3576503e84a5cb5485ce925"
      "libusb-1.0-0"                   = "2:1.0.26-1 sha256:0a8a6c4a7d944538f2820cbde2a313f2fe6f94c21ffece9e6f372fc2ab8072e1"
      "libvorbis0a"                    = "1.3.7-1 sha256:01c14f9d1109650077a4c5c337c285476a6932d4d448f5a190c2b845724dbf21"
      "libvorbisenc2"                  = "1.3.7-1 sha256:75dd4d6f904c7db82f5112e60d8efea9e81dfedf94e970c5da7af2b3d81643c0"
      "libwebp7"                       = "1.2.4-0.2+deb12u1 sha256:7259b7ce46444694ce536360ad53acb68eb3b47a7ff81d7b1b8a3939b2ac9918"
      "libwine"                        = "8.0~repack-4 sha256:512b715f32fccf2ebec2b63f23d9d83394d30e27cc5570a8ef92c5d3627ef305"
      "libx11-6"                       = "2:1.8.4-2+deb12u2 sha256:d88c973e79fd9b65838d77624142952757e47a6eb1a58602acf0911cf35989f4"
      "libx11-data"                    = "2:1.8.4-2+deb12u2 sha256:987a848aeb1c358e4186368871b0526f10bb14c6b53214ab3bf8b69abb830191"
      "libx11-xcb1"                    = "2:1.8.4-2+deb12u2 sha256:f5da45e1d881a793250a96613f28c471a248877f1a0f18a5c90e2a620a76c898"
      "libx265-199"                    = "3.5-2+b1 sha256:9cd87d1b0c56f34f51bcbe8bdb55ebb45dd08ce6c0c6ff2dc77378bac3f64cc0"
      "libxau6"                        = "1:1.0.9-1 sha256:679db1c4579ec7c61079adeaae8528adeb2e4bf5465baa6c56233b995d714750"
      "libxcb1"                        = "1.15-1 sha256:fdc61332a3892168f3cc9cfa1fe9cf11a91dc3e0acacbc47cbc50ebaa234cc71"
      "libxdmcp6"                      = "1:1.1.2-3 sha256:ecb8536f5fb34543b55bb9dc5f5b14c9dbb4150a7bddb3f2287b7cab6e9d25ef"
      "libxext6"                       = "2:1.3.4-1+b1 sha256:504b7be9d7df4f6f4519e8dd4d6f9d03a9fb911a78530fa23a692fba3058cba6"
      "libxml2"                        = "2.9.14+dfsg-1.3~deb12u6 sha256:4460e39dda10a815881374217cde08474747cfa018358cd8612c14b390eff53b"
      "libxpm4"                        = "1:3.5.12-1.1+deb12u1 sha256:505400598dcda712380f2e4a73b09b015a3fedf78bd874f6429622c448e249f9"
      "libyuv0"                        = "0.0~git20230123.b2528b0-1 sha256:48225793c486310600459d08a417dca0c28cbaf184047c09c82aff19107aa6f2"
      "libz-mingw-w64"                 = "1.2.13+dfsg-1 sha256:b9e73ca486bc2aa66da86b5724220d2dd7c8299636b1df74c3414757a2170615"
      "ocl-icd-libopencl1"             = "2.3.1-1 sha256:ddd8509c0430545173752bed272c7f44f8b5f7d125265b20456207aaefbb52c8"
      "wine64"                         = "8.0~repack-4 sha256:4ff56d97fb84c41dd450775f03ae42208f092e822f9baa742dcde951773ecb42"
    }
  }

  python "3.10" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.10.16-20241219-1"
      sum     = "h1:bfJRrtWlbdrPtwXXXZzA95yj2Pr9AvSbxDEm8YvbaP0="
    }
    tree = "sha256:0ce17e928e7c318507d5cf37d8d04a2f63c0cb7fd2e5df5e5836d0694afb7e4b"
  }

  python "3.11" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.11.11-20241219-1"
      sum     = "h1:yVXFTxa6cvhLC6TwkDEHmNaiWlDyaFEGiXd1DQdoeOU="
    }
    tree = "sha256:ce81699a2e3053b93b524e51f50135630d3452cc6f8dbeff6cfc2d2a756e63b1"
  }

  python "3.12" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.12.3-20240415-1"
      sum     = "h1:IX2O3LJUL0AjYsROGZ4aNENTEb3c/Ll/0b9Yb/8P61Q="
    }
    tree = "sha256:9e1c3bb777354a8dbea35c8124a5ec777d048804638e3490f81874bb08ddf44d"
  }

  python "3.13" {
    module {
      path    = "github.com/kluctl/go-embed-python"
      version = "v0.0.0-3.13.1-20241219-1"
      sum     = "h1:x1cSEj4Ug5mpuZgUHLvUmlc5r//KHFn6iYiRSrRcVy4="
    }
    tree = "sha256:61fde11cfd1df0756dcf4c89a3a65f00321e30114c4334c9260774443a017dd2"
  }
}
